//! A message that compresses a thousandfold, as tables of zeros and logs do: the mirror of a bomb. How much larger a message is than its
//! payload has no meaning; it is within the limit, and is served.

use super::support::coded::*;
use crate::*;

#[tokio::test]
async fn a_message_of_zeros_up_to_the_limit_is_served_and_many_at_once() {
    let server = TestServer::start(Server::builder().accept_compressed_all()).await;
    for (coding, payload) in CODINGS {
        let mut peer = server.peer().await;
        let fields = request_with("/test.Kit/Join", &[("grpc-encoding", coding)]);
        let one = coded(payload(&vec![0; 1 << 20]));
        for n in 0..16 {
            peer.headers(2 * n + 1, 0, &fields).await;
            // Four of 1 MiB in one stream: each has the limit for itself.
            peer.data_within_windows(2 * n + 1, END_STREAM, &one.repeat(4))
                .await;
        }
        for n in 0..16 {
            let joined = peer.answer(2 * n + 1).await.expect_one();
            assert_eq!(joined.len(), 4 << 20, "{coding}");
        }
        let most = coded(payload(&vec![0; 4 << 20]));
        peer.headers(33, 0, &fields).await;
        peer.data_within_windows(33, END_STREAM, &most).await;
        assert_eq!(
            peer.answer(33).await.expect_one().len(),
            4 << 20,
            "{coding}"
        );
    }
}
