//! Route confusion: `/Service/../Other/Method`, `//Service/Method`, `%2F`, a query, a fragment. Where two programs
//! read a path differently, what one of them checked is not what the other one serves.
//!
//! Guard: the path with its query is compared byte by byte, and nothing is decoded or normalised
//! (`server/router.rs`). One thing is out of reach: `h2` drops a `#fragment` before anybody sees it.

use crate::*;

#[tokio::test]
async fn only_the_exact_path_reaches_a_handler() {
    let server = Apart::start(Server::builder());
    let neighbour = Neighbour::at(server.addr).await;
    let mut peer = server.peer(&[]).await;
    let near = [
        "/test.Kit/Echo?",
        "/test.Kit/Echo?x=1",
        "/test.Kit/Echo/",
        "/test.Kit//Echo",
        "//test.Kit/Echo",
        "/test.Kit/../test.Kit/Echo",
        "/./test.Kit/Echo",
        "/test.Kit/Echo/..",
        "/test.Kit%2FEcho",
        "/test%2EKit/Echo",
        "/test.Kit/%45cho",
        "/test.Kit/Echo%00",
        "/test.Kit/echo",
        "/TEST.KIT/ECHO",
        "/test.Kit/Echo;a=b",
        "/test.Kit/Echo.",
        "/test.Ki/tEcho",
    ];
    for (stream, path) in streams(near.len() as u32).zip(near) {
        peer.call(stream, &request(path), "let me in").await;
        let answer = peer.answer(stream).await;
        answer.expect_status(code::UNIMPLEMENTED);
        assert_eq!(server.probe.counts().started, 0, "{path}");
    }
    let last = near.len() as u32 * 2 + 1;
    peer.call(last, &request("/test.Kit/Echo"), "let me in")
        .await;
    assert_eq!(peer.answer(last).await.expect_one(), "let me in");
    neighbour.stays_well().await;
}
