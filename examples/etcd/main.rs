//! A client of etcd, a server by other authors: keys, a transaction, a watch, and a lease that lives as long as a client keeps it alive.
//!
//! ```text
//! etcd &
//! cargo run --example etcd -- http://127.0.0.1:2379
//! ```
//!
//! The watch and the keep-alive are *held calls*: one sends when it has something to say and reads when it wants to know, on one
//! stream, in straight-line code. `scripts/etcd` installs etcd and runs this.

use std::error::Error;
use std::time::Duration;

use temaki::{Channel, Code};
use temaki_protos::etcdserverpb::kv_client::KvClient;
use temaki_protos::etcdserverpb::lease_client::LeaseClient;
use temaki_protos::etcdserverpb::watch_client::WatchClient;
use temaki_protos::etcdserverpb::{
    Compare, DeleteRangeRequest, LeaseGrantRequest, LeaseKeepAliveRequest, PutRequest,
    RangeRequest, RequestOp, ResponseOp, TxnRequest, WatchCancelRequest, WatchCreateRequest,
    WatchRequest, compare, request_op, response_op, watch_request,
};
use temaki_protos::mvccpb::KeyValue;
use temaki_protos::mvccpb::event::EventType;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Where this example keeps its keys. The range's end is the prefix with its last byte one higher, as etcd counts ranges.
const PREFIX: &str = "temaki/";
const PREFIX_END: &str = "temaki0";

#[tokio::main]
async fn main() -> Outcome {
    let target = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:2379".to_owned());
    let channel = Channel::connect(target).await?;
    let kv = KvClient::new(channel.clone());

    kv.delete_range(DeleteRangeRequest {
        key: PREFIX.into(),
        range_end: PREFIX_END.into(),
        prev_kv: false,
    })
    .await?;
    put_and_range(&kv).await?;
    println!("ok    Put and Range");
    transaction(&kv).await?;
    println!("ok    Txn, both ways");
    watch(&kv, &WatchClient::new(channel.clone())).await?;
    println!("ok    Watch");
    keep_alive(&kv, &LeaseClient::new(channel.clone())).await?;
    println!("ok    LeaseKeepAlive");
    refused(&kv).await?;
    println!("ok    an error of etcd's");
    Ok(())
}

/// This is an example and a test: a response of etcd that is not as expected ends it.
fn expect(what: &str, holds: bool) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(format!("unexpected: {what}").into())
    }
}

fn key(name: &str) -> Vec<u8> {
    format!("{PREFIX}{name}").into()
}

async fn put(kv: &KvClient, name: &str, value: &str) -> Outcome {
    kv.put(PutRequest {
        key: key(name),
        value: value.into(),
        ..PutRequest::default()
    })
    .await?;
    Ok(())
}

async fn get(kv: &KvClient, name: &str) -> Outcome<Option<KeyValue>> {
    let answer = kv
        .range(RangeRequest {
            key: key(name),
            ..RangeRequest::default()
        })
        .await?
        .into_inner();
    Ok(answer.kvs.into_iter().next())
}

async fn put_and_range(kv: &KvClient) -> Outcome {
    for name in ["ada", "bob", "cyd"] {
        put(kv, name, &format!("{name}'s value")).await?;
    }
    let one = get(kv, "bob").await?.ok_or("no 'bob'")?;
    expect(
        "the value of 'bob'",
        one.value == b"bob's value" && one.version == 1,
    )?;
    let all = kv
        .range(RangeRequest {
            key: PREFIX.into(),
            range_end: PREFIX_END.into(),
            limit: 2,
            ..RangeRequest::default()
        })
        .await?
        .into_inner();
    expect(
        "two of three keys, and more",
        all.kvs.len() == 2 && all.more && all.count == 3,
    )?;
    expect("a key that nobody put", get(kv, "nobody").await?.is_none())
}

/// Changes a value only if it is what we believe it is: it holds the first time, and then no longer.
async fn transaction(kv: &KvClient) -> Outcome {
    let swap = TxnRequest {
        compare: vec![Compare {
            result: compare::CompareResult::Equal.into(),
            target: compare::CompareTarget::Value.into(),
            key: key("ada"),
            target_union: Some(compare::TargetUnion::Value("ada's value".into())),
        }],
        success: vec![RequestOp {
            request: Some(request_op::Request::RequestPut(PutRequest {
                key: key("ada"),
                value: "changed".into(),
                ..PutRequest::default()
            })),
        }],
        failure: vec![RequestOp {
            request: Some(request_op::Request::RequestRange(RangeRequest {
                key: key("ada"),
                ..RangeRequest::default()
            })),
        }],
    };
    let first = kv.txn(swap.clone()).await?.into_inner();
    expect("the first swap", first.succeeded)?;
    let second = kv.txn(swap).await?.into_inner();
    expect("the second swap", !second.succeeded)?;
    match second.responses.first() {
        Some(ResponseOp {
            response: Some(response_op::Response::ResponseRange(found)),
        }) => expect(
            "what the second swap found",
            found.kvs.first().is_some_and(|kv| kv.value == b"changed"),
        ),
        other => Err(format!("the second swap answered {other:?}").into()),
    }
}

async fn watch(kv: &KvClient, client: &WatchClient) -> Outcome {
    let mut watch = client.start_watch();
    let create = WatchCreateRequest {
        key: key("watched"),
        prev_kv: true,
        ..WatchCreateRequest::default()
    };
    watch
        .send(WatchRequest {
            request_union: Some(watch_request::RequestUnion::CreateRequest(create)),
        })
        .await?;
    let created = watch
        .message()
        .await?
        .ok_or("the watch ended before it began")?;
    expect("the watch's first answer", created.created)?;

    put(kv, "watched", "one").await?;
    put(kv, "unwatched", "never seen").await?;
    put(kv, "watched", "two").await?;
    kv.delete_range(DeleteRangeRequest {
        key: key("watched"),
        ..DeleteRangeRequest::default()
    })
    .await?;

    // etcd puts events together as it likes: what counts is their order.
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let answer = watch.message().await?.ok_or("the watch ended")?;
        for event in answer.events {
            let text = |kv: Option<KeyValue>| {
                kv.map(|kv| String::from_utf8_lossy(&kv.value).into_owned())
                    .unwrap_or_default()
            };
            seen.push((event.r#type(), text(event.prev_kv), text(event.kv)));
        }
    }
    let expected = [
        (EventType::Put, "", "one"),
        (EventType::Put, "one", "two"),
        (EventType::Delete, "two", ""),
    ];
    let expected =
        expected.map(|(kind, before, after)| (kind, before.to_owned(), after.to_owned()));
    expect(&format!("events: {seen:?}"), seen == expected)?;

    watch
        .send(WatchRequest {
            request_union: Some(watch_request::RequestUnion::CancelRequest(
                WatchCancelRequest {
                    watch_id: created.watch_id,
                },
            )),
        })
        .await?;
    let last = watch
        .message()
        .await?
        .ok_or("the watch ended without saying so")?;
    expect(
        "the watch's last answer",
        last.canceled && last.watch_id == created.watch_id,
    )?;
    // etcd keeps the stream for further watches, also when it is half-closed: dropping the call is what ends it.
    Ok(())
}

/// A key with a lease of 2 s outlives that as long as the held call keeps the lease, and is gone after that.
async fn keep_alive(kv: &KvClient, client: &LeaseClient) -> Outcome {
    let lease = client
        .lease_grant(LeaseGrantRequest { ttl: 2, id: 0 })
        .await?
        .into_inner();
    kv.put(PutRequest {
        key: key("leased"),
        value: "here".into(),
        lease: lease.id,
        ..PutRequest::default()
    })
    .await?;
    let mut keep = client.start_lease_keep_alive();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        keep.send(LeaseKeepAliveRequest { id: lease.id }).await?;
        let kept = keep.message().await?.ok_or("the keep-alive ended")?;
        expect(
            "the lease's time",
            kept.id == lease.id && kept.ttl == lease.ttl,
        )?;
    }
    expect("the key after 4 s", get(kv, "leased").await?.is_some())?;
    // Dropped and not half-closed: the call is cancelled, and the lease runs out.
    drop(keep);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if get(kv, "leased").await?.is_none() {
            return Ok(());
        }
    }
    Err("the key outlives its lease".into())
}

async fn refused(kv: &KvClient) -> Outcome {
    let status = kv
        .put(PutRequest {
            value: "of no key".into(),
            ..PutRequest::default()
        })
        .await
        .err()
        .ok_or("etcd took an empty key")?;
    expect(
        &format!("the status for an empty key: {status}"),
        status.code() == Code::InvalidArgument && status.message().contains("key"),
    )
}
