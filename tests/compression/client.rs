//! A client, and a raw server.

use crate::*;

async fn connected(server: &RawServer) -> Channel {
    Channel::connect_lazy(server.target()).expect("a target")
}

async fn echo(channel: Channel, message: Vec<u8>) -> Result<Bytes, Status> {
    let path = PathAndQuery::from_static(ECHO);
    let request = Request::new(Bytes::from(message));
    let call = channel.unary(path, BytesCodec, request);
    soon("a response", call).await.map(Response::into_inner)
}

#[tokio::test]
async fn b16_b18_each_coding_is_read_and_what_is_read_is_offered() {
    let server = RawServer::bind().await;
    let channel = connected(&server).await.accept_compressed_all();
    let mut stream = 1;
    let mut peer = None;
    for (coding, payload) in CODINGS {
        for is_coded in [true, false] {
            let call = tokio::spawn(echo(channel.clone(), b"a".to_vec()));
            let peer = match &mut peer {
                Some(peer) => peer,
                none => none.insert(server.accept().await),
            };
            let asked = peer.expect_headers(stream).await;
            assert_eq!(
                asked.get("grpc-accept-encoding"),
                Some("zstd,gzip,deflate,identity")
            );
            assert_eq!(asked.get("grpc-encoding"), None);
            let fields = [response(), vec![("grpc-encoding", coding)]].concat();
            peer.headers(stream, 0, &fields).await;
            let body = match is_coded {
                true => coded(payload(&long())),
                false => message(long()),
            };
            peer.data(stream, 0, &body).await;
            peer.headers(stream, END_STREAM, &[("grpc-status", "0")])
                .await;
            assert_eq!(call.await.unwrap().unwrap(), long(), "{coding}");
            stream += 2;
        }
    }
}

//= COMP-CORRUPT  type=test
//= COMP-CLIENT-UNSUPPORTED  type=test
#[tokio::test]
async fn b60_b15_b20_what_cannot_be_read_ends_the_call() {
    let server = RawServer::bind().await;
    let channel = connected(&server).await;
    let reads = channel.clone().accept_compressed_all();
    let mut peer = None;
    let bomb = gzip(&vec![0; (4 << 20) + 1]);
    let rows: [(&Channel, &str, Bytes, _, _, &str); 5] = [
        (
            &channel,
            "gzip",
            coded(gzip(b"a")),
            Code::Internal,
            Origin::Protocol,
            "accept_compressed_all()",
        ),
        (
            &reads,
            "br",
            coded("a"),
            Code::Internal,
            Origin::Protocol,
            "accept_compressed_all()",
        ),
        (
            &reads,
            "gzip",
            coded("a"),
            Code::Internal,
            Origin::Protocol,
            "gzip",
        ),
        (
            &reads,
            "gzip",
            coded(bomb),
            Code::ResourceExhausted,
            Origin::LocalLimit,
            "max_decoding_message_size",
        ),
        (
            &reads,
            "zstd",
            coded(zstd_with_window(0xff, b"a")),
            Code::ResourceExhausted,
            Origin::LocalLimit,
            "8 MiB",
        ),
    ];
    for (n, (channel, coding, body, code, origin, text)) in (0..).zip(rows) {
        let stream = 2 * n + 1;
        let call = tokio::spawn(echo(channel.clone(), b"a".to_vec()));
        let peer = match &mut peer {
            Some(peer) => peer,
            none => none.insert(server.accept().await),
        };
        peer.expect_headers(stream).await;
        let fields = [response(), vec![("grpc-encoding", coding)]].concat();
        peer.headers(stream, 0, &fields).await;
        peer.data(stream, 0, &body).await;
        let status = call.await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.origin()), (code, origin), "{status}");
        assert!(status.message().contains(text), "{status}");
    }
}

#[tokio::test]
async fn what_is_sent_is_compressed_if_it_shall_be() {
    let server = RawServer::bind().await;
    let channel = connected(&server).await;
    let gzip = channel.clone().send_compressed(CompressionEncoding::Gzip);
    let quick = gzip
        .clone()
        .send_compressed(CompressionEncoding::Gzip.level(1));
    let all = gzip.clone().compression_threshold(0);
    let mut peer = None;
    let rows: [(&Channel, Vec<u8>, bool, bool, &str); 6] = [
        (&channel, long(), false, false, "nothing is said"),
        (&gzip, long(), false, true, "long"),
        (&quick, long(), false, true, "another level"),
        (&gzip, vec![0; 1023], false, false, "short"),
        (
            &all,
            vec![0; 1023],
            false,
            true,
            "short, and wanted all the same",
        ),
        (&gzip, long(), true, false, "this request as it is"),
    ];
    for (n, (channel, sent, is_as_is, is_coded, why)) in (0..).zip(rows) {
        let stream = 2 * n + 1;
        let mut request = Request::new(Bytes::from(sent.clone()));
        if is_as_is {
            request.disable_compression();
        }
        let call = channel.clone();
        let call = tokio::spawn(async move {
            call.unary(PathAndQuery::from_static(ECHO), BytesCodec, request)
                .await
        });
        let peer = match &mut peer {
            Some(peer) => peer,
            none => none.insert(server.accept().await),
        };
        let asked = peer.expect_headers(stream).await;
        let announced = (n > 0 && !is_as_is).then_some("gzip");
        assert_eq!(asked.get("grpc-encoding"), announced, "{why}");
        let body = peer.expect_body(stream).await;
        assert_eq!(body[0], u8::from(is_coded), "{why}");
        let found = match is_coded {
            true => gunzip(&body[5..]),
            false => body[5..].to_vec(),
        };
        assert_eq!(found, sent, "{why}");
        call.abort();
    }
}
