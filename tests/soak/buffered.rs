//! Both ends over an IO that holds back what is not flushed, as TLS does, on a pipe that is much smaller than an answer.

use temaki::Code;

use crate::*;

pub(crate) async fn run(soak: Soak) -> Ledger {
    let mut ledger = Ledger::new("buffering IO");
    let probe = Probe::default();
    while soak.goes_on() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let server = Server::builder().add_service(server::kit(&probe));
        let served = server.serve_connection(Buffering::new(theirs), ConnectInfo::default());
        let served = tokio::spawn(served);
        let endpoint = Endpoint::from_static("http://buffered");
        let channel = endpoint.connect_with_io(Buffering::new(ours)).await;
        let channel = channel.expect("a channel");
        for n in 0..20_u64 {
            ledger.begin(2);
            let message = Bytes::from(vec![b'b'; 200_000 * (n as usize % 5)]);
            let request = Request::new(message.clone());
            let echo = channel.unary(path("/test.Kit/Echo"), BytesCodec, request);
            let answer = soon("a large answer", echo).await;
            assert!(
                answer
                    .as_ref()
                    .is_ok_and(|answer| *answer.get_ref() == message),
                "{answer:?}"
            );
            ledger.end(answer, &[Code::Ok]);
            let result = soon("a call", call(&channel, n)).await;
            ledger.end(result, &[Code::Ok]);
        }
        drop(channel);
        let served = soon("the connection to end", served).await;
        served.expect("no panic").expect("in good order");
    }
    assert_eq!(probe.counts().live, 0);
    ledger
}
