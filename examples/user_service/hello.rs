//! The first call: from this program to itself, over TCP like any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use temaki::{Code, Request};
use temaki_protos::user::user_service_client::UserServiceClient;
use temaki_protos::user::{GetUserRequest, RegisterUserRequest};

use crate::say::say;
use crate::tls::Tls;

/// Registered at the first start, so that there is a user to ask for.
const NAME: &str = "alice";
/// What a client would make of her password. The server cannot know it, and does not keep it.
const PASSWORD_HASH: &str = "wonderland";

const TIMEOUT: Duration = Duration::from_secs(10);

pub async fn connect(addr: SocketAddr, tls: &Tls) -> Result<UserServiceClient, String> {
    let channel = tls.connect(&reachable(addr).to_string()).await?;
    Ok(UserServiceClient::new(channel))
}

/// Registers alice if she is not there, asks for her UUID and prints it, with the way to do the
/// same from elsewhere.
pub async fn ask_for_alice(
    client: &UserServiceClient,
    addr: SocketAddr,
    tls: &Tls,
) -> Result<(), String> {
    let mut alice = Request::new(RegisterUserRequest {
        username: NAME.into(),
        password_hash: PASSWORD_HASH.into(),
    });
    alice.set_timeout(TIMEOUT);
    match client.register_user(alice).await {
        Ok(_) => say(format_args!("registered {NAME}")),
        Err(status) if status.code() == Code::AlreadyExists => {}
        Err(status) => return Err(format!("RegisterUser failed: {status}")),
    }

    let mut question = Request::new(GetUserRequest {
        username: NAME.into(),
        password_hash: PASSWORD_HASH.into(),
    });
    question.set_timeout(TIMEOUT);
    match client.get_user_uuid(question).await {
        Ok(answer) => say(format_args!(
            "GetUserUUID says that {NAME} is {}",
            answer.into_inner().uuid
        )),
        Err(status) if status.code() == Code::Unauthenticated => {
            return Err(format!(
                "{NAME} was registered with another password_hash; choose another file with --db"
            ));
        }
        Err(status) => return Err(format!("GetUserUUID failed: {status}")),
    }
    if tls.is_on() {
        say("in TLS; examples/user_client.rs has --ca, --tls-cert and --tls-key as well");
    } else {
        say(from_elsewhere(reachable(addr)));
    }
    Ok(())
}

/// An address that a client on this machine can dial: a server on `0.0.0.0` is reached at
/// `127.0.0.1`.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    addr
}

/// Commands that work as printed, from the repository's root.
fn from_elsewhere(addr: SocketAddr) -> String {
    format!(
        r#"
The same from other languages, in the folder that has proto/user.proto:

  python3 -m venv .venv && . .venv/bin/activate && pip install grpcio-tools
  PYTHONPATH=proto python3 -c 'import grpc
p, s = grpc.protos_and_services("user.proto")
user = p.GetUserRequest(username="{NAME}", password_hash="{PASSWORD_HASH}")
print(s.UserServiceStub(grpc.insecure_channel("{addr}")).GetUserUUID(user))'

  grpcurl -plaintext -import-path proto -proto user.proto \
    -d '{{"username": "{NAME}", "password_hash": "{PASSWORD_HASH}"}}' {addr} UserService/GetUserUUID

  buf curl --schema proto/user.proto --protocol grpc --http2-prior-knowledge \
    -d '{{"username": "{NAME}", "password_hash": "{PASSWORD_HASH}"}}' http://{addr}/UserService/GetUserUUID
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_dialled_on_this_machine() {
        // (listens on, dialled)
        for (listens, dialled) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("192.0.2.1:1", "192.0.2.1:1"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), dialled);
        }
    }
}
