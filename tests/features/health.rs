//! The health service, asked by a generated client: row b91 of CHECKLIST.md.

use temaki::health::pb::health_check_response::ServingStatus as Answer;
use temaki::health::pb::health_client::HealthClient;
use temaki::health::pb::{HealthCheckRequest, HealthCheckResponse, HealthListRequest};
use temaki::health::server::health_reporter;
use temaki::health::{HealthReporter, ServingStatus};
use temaki::server::NamedService;
use temaki::{Code, ConnectInfo, Endpoint, Status, Streaming};

/// A reporter, and a client of its service.
async fn pair() -> (HealthReporter, HealthClient) {
    let (reporter, service) = health_reporter();
    let (here, there) = tokio::io::duplex(64 * 1024);
    let server = temaki::Server::builder().add_service(service);
    tokio::spawn(server.serve_connection(there, ConnectInfo::default()));
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_io(here).await.unwrap();
    (reporter, HealthClient::new(channel))
}

fn question(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

async fn check(client: &HealthClient, service: &str) -> Result<Answer, Status> {
    let response = client.check(question(service)).await?;
    Ok(response.into_inner().status())
}

async fn watch(client: &HealthClient, service: &str) -> Streaming<HealthCheckResponse> {
    client.watch(question(service)).await.unwrap().into_inner()
}

async fn next(watch: &mut Streaming<HealthCheckResponse>) -> Answer {
    watch.message().await.unwrap().unwrap().status()
}

struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "helloworld.Greeter";
}

//= HEALTH-CHECK-UNKNOWN  type=test
#[tokio::test]
async fn b91_check_tells_what_was_set_and_not_found_of_the_rest() {
    let (reporter, client) = pair().await;
    assert_eq!(
        check(&client, "").await.unwrap(),
        Answer::Serving,
        "the server"
    );
    let unknown = async || check(&client, Greeter::NAME).await.unwrap_err().code();
    assert_eq!(unknown().await, Code::NotFound);

    reporter.set_serving::<Greeter>();
    assert_eq!(
        check(&client, "helloworld.Greeter").await.unwrap(),
        Answer::Serving
    );
    reporter.set_not_serving::<Greeter>();
    assert_eq!(
        check(&client, "helloworld.Greeter").await.unwrap(),
        Answer::NotServing
    );
    reporter.set_service_status("helloworld.Greeter", ServingStatus::Unknown);
    assert_eq!(
        check(&client, "helloworld.Greeter").await.unwrap(),
        Answer::Unknown
    );
    reporter.clear_service_status("helloworld.Greeter");
    assert_eq!(unknown().await, Code::NotFound, "forgotten");
    let status = check(&client, &"x".repeat(5000)).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::ResourceExhausted,
        "no service is called so"
    );
}

//= HEALTH-WATCH-UNKNOWN  type=test
#[tokio::test]
async fn b91_watch_of_an_unknown_service_stays_and_tells_each_change() {
    let (reporter, client) = pair().await;
    let mut greeter = watch(&client, "helloworld.Greeter").await;
    assert_eq!(next(&mut greeter).await, Answer::ServiceUnknown);
    reporter.set_serving::<Greeter>();
    assert_eq!(next(&mut greeter).await, Answer::Serving);
    reporter.set_not_serving::<Greeter>();
    assert_eq!(next(&mut greeter).await, Answer::NotServing);

    // What is no change is not told: neither the same again, nor another service's.
    reporter.set_not_serving::<Greeter>();
    reporter.set_service_status("other.Service", ServingStatus::Serving);
    reporter.set_serving::<Greeter>();
    assert_eq!(next(&mut greeter).await, Answer::Serving);

    reporter.clear_service_status(Greeter::NAME);
    assert_eq!(next(&mut greeter).await, Answer::ServiceUnknown);
    reporter.set_serving::<Greeter>();
    assert_eq!(next(&mut greeter).await, Answer::Serving, "and it is back");
}

#[tokio::test]
async fn b91_list_tells_all_there_are_up_to_a_hundred() {
    let (reporter, client) = pair().await;
    reporter.set_not_serving::<Greeter>();
    let listed = client.list(HealthListRequest {}).await.unwrap();
    let statuses = listed.into_inner().statuses;
    let mut statuses: Vec<(&str, Answer)> = statuses
        .iter()
        .map(|(name, answer)| (name.as_str(), answer.status()))
        .collect();
    statuses.sort();
    assert_eq!(
        statuses,
        [
            ("", Answer::Serving),
            ("helloworld.Greeter", Answer::NotServing)
        ]
    );

    for i in 0..99 {
        reporter.set_service_status(format!("s{i}"), ServingStatus::Serving);
    }
    let status = client.list(HealthListRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

/// A watch is an open call. It would keep a server from ending.
#[tokio::test]
async fn after_shutdown_nothing_serves_and_watches_end() {
    let (reporter, client) = pair().await;
    reporter.set_serving::<Greeter>();
    let mut greeter = watch(&client, Greeter::NAME).await;
    assert_eq!(next(&mut greeter).await, Answer::Serving);

    reporter.shutdown();
    reporter.set_serving::<Greeter>();
    assert_eq!(next(&mut greeter).await, Answer::NotServing);
    let status = greeter.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    for service in ["", Greeter::NAME] {
        assert_eq!(check(&client, service).await.unwrap(), Answer::NotServing);
    }
}
