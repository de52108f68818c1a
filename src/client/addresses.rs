//! In which order are the addresses of a name tried?
//!
//! Spec: RFC 8305 §4. The families take turns, beginning with that of the address that the system puts first: where
//! the way carries one of them only, the second address finds that out. And each connection begins after the address
//! that the last one began with or was made to: one that fails, or takes connections and gives them up, does not
//! stand before the others for ever. Pure.

use std::net::SocketAddr;

/// The order of `found`, given where the last connection began.
pub(super) fn in_order(found: Vec<SocketAddr>, last: Option<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = found.first() else {
        return found;
    };
    //= HAPPY-EYEBALLS  families take turns
    let of_first = |address: &SocketAddr| address.is_ipv4() == first.is_ipv4();
    let (one, other): (Vec<_>, Vec<_>) = found.iter().copied().partition(of_first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut order = Vec::with_capacity(found.len());
    loop {
        let pair = [one.next(), other.next()];
        if pair == [None, None] {
            break;
        }
        for address in pair.into_iter().flatten() {
            if !order.contains(&address) {
                order.push(address);
            }
        }
    }
    if let Some(last) = order.iter().position(|address| Some(*address) == last) {
        order.rotate_left(last + 1);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c07_families_take_turns_and_the_next_connection_begins_elsewhere() {
        // Digits are IPv4 addresses, letters IPv6.
        let address = |name: char| -> SocketAddr {
            let text = match name {
                '0'..='9' => format!("10.0.0.{name}:1"),
                _ => format!("[::{name}]:1"),
            };
            text.parse().unwrap()
        };
        let rows = [
            ("", ' ', "", "nothing"),
            ("1", '1', "1", "there is no other"),
            ("123", ' ', "123", "one family"),
            ("ab12", ' ', "a1b2", "two families"),
            ("12a", ' ', "1a2", "the system's first is first"),
            ("a123", ' ', "a123", "more of one"),
            ("112", ' ', "12", "each once"),
            ("ab12", 'a', "1b2a", "after the one that failed"),
            ("ab12", '2', "a1b2", "round"),
            ("12", '9', "12", "one that is not there any more"),
        ];
        for (found, last, expected, why) in rows {
            let last = (last != ' ').then(|| address(last));
            let order = in_order(found.chars().map(address).collect(), last);
            let expected: Vec<_> = expected.chars().map(address).collect();
            assert_eq!(order, expected, "{why}");
        }
    }
}
