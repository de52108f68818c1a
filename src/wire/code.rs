//! `grpc-status`: the seventeen ways in which a call can end.
//!
//! ```text
//! Status → "grpc-status" 1*DIGIT      decimal, no leading zeros: "0" … "16"
//! ```
//!
//! Who may say what is half of the meaning. The library itself never makes up
//! [`InvalidArgument`](Code::InvalidArgument), [`NotFound`](Code::NotFound),
//! [`AlreadyExists`](Code::AlreadyExists), [`FailedPrecondition`](Code::FailedPrecondition),
//! [`Aborted`](Code::Aborted), [`OutOfRange`](Code::OutOfRange) or [`DataLoss`](Code::DataLoss): a
//! caller that sees one of them knows that the application said so.
//!
//! A code that is not in the table is [`Unknown`](Code::Unknown). What the peer really wrote is not
//! kept here; whoever reads the trailers keeps it, for people.
//!
//! Spec: [Responses](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses),
//! [statuscodes](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).

use std::fmt;

/// How a call ended. The number is the one on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// It succeeded.
    Ok = 0,
    /// It was cancelled, typically by the caller.
    Cancelled = 1,
    /// Something failed and nobody said what: a code from another world, a handler that died, a
    /// missing status.
    Unknown = 2,
    /// The request is wrong whatever state the system is in; do not send it again. Application
    /// only.
    InvalidArgument = 3,
    /// Time ran out. The work may have been done nevertheless.
    DeadlineExceeded = 4,
    /// What was asked for does not exist. Application only.
    NotFound = 5,
    /// What was to be created exists. Application only.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A quota, a size limit or memory is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs; mend that before trying again.
    /// Application only.
    FailedPrecondition = 9,
    /// Lost against a concurrent change; try again from a higher level, from the read on.
    /// Application only.
    Aborted = 10,
    /// Past the end of a valid range, which may grow. Application only.
    OutOfRange = 11,
    /// This server does not know the method, the encoding or the feature.
    Unimplemented = 12,
    /// An invariant broke: bytes that do not parse, a protocol violation, a bug.
    Internal = 13,
    /// Not reachable now; trying again after a pause may help.
    Unavailable = 14,
    /// Data is lost or corrupt beyond repair. Application only.
    DataLoss = 15,
    /// The caller is not known: credentials are missing or wrong.
    Unauthenticated = 16,
}

impl Code {
    /// All of them, each at the place of its number.
    pub const ALL: [Code; 17] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// The code of a number; a number that is none gives [`Unknown`](Code::Unknown).
    pub const fn from_i32(number: i32) -> Code {
        //= CODE-UNKNOWN-NUMBER  a number outside the table is UNKNOWN
        if 0 <= number && number <= 16 {
            Code::ALL[number as usize]
        } else {
            Code::Unknown
        }
    }

    /// The code in a `grpc-status` value.
    ///
    /// A value that is no number, has a sign, a leading zero or a space, or is above 16, gives
    /// [`Unknown`](Code::Unknown), like the number 2 itself: keep the value beside it if a person
    /// may want to see it.
    pub fn from_bytes(value: &[u8]) -> Code {
        //= GRPC-STATUS-DECIMAL  decimal, no leading zeros
        match *value {
            [digit @ b'0'..=b'9'] => Code::from_i32(i32::from(digit - b'0')),
            [b'1', digit @ b'0'..=b'6'] => Code::from_i32(10 + i32::from(digit - b'0')),
            //= CODE-UNKNOWN-NUMBER  a number outside the table is UNKNOWN
            _ => Code::Unknown,
        }
    }

    /// The value of `grpc-status`: `"5"`.
    pub const fn wire(self) -> &'static str {
        //= GRPC-STATUS-DECIMAL  decimal, no leading zeros
        match self {
            Code::Ok => "0",
            Code::Cancelled => "1",
            Code::Unknown => "2",
            Code::InvalidArgument => "3",
            Code::DeadlineExceeded => "4",
            Code::NotFound => "5",
            Code::AlreadyExists => "6",
            Code::PermissionDenied => "7",
            Code::ResourceExhausted => "8",
            Code::FailedPrecondition => "9",
            Code::Aborted => "10",
            Code::OutOfRange => "11",
            Code::Unimplemented => "12",
            Code::Internal => "13",
            Code::Unavailable => "14",
            Code::DataLoss => "15",
            Code::Unauthenticated => "16",
        }
    }

    /// The name in the spec: `"NOT_FOUND"`.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// A few words for people, for a status that came without a message.
    pub const fn description(self) -> &'static str {
        match self {
            Code::Ok => "success",
            Code::Cancelled => "the call was cancelled",
            Code::Unknown => "an error of unknown kind",
            Code::InvalidArgument => "an argument is not valid",
            Code::DeadlineExceeded => "the deadline passed before the call was done",
            Code::NotFound => "no such thing",
            Code::AlreadyExists => "it exists already",
            Code::PermissionDenied => "the caller may not do this",
            Code::ResourceExhausted => "a resource is used up",
            Code::FailedPrecondition => "the system is not in the required state",
            Code::Aborted => "aborted by a concurrent change",
            Code::OutOfRange => "beyond the valid range",
            Code::Unimplemented => "not implemented here",
            Code::Internal => "an internal error",
            Code::Unavailable => "the service cannot be reached now",
            Code::DataLoss => "data is lost or corrupt",
            Code::Unauthenticated => "the caller is not authenticated",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl From<i32> for Code {
    fn from(number: i32) -> Self {
        Code::from_i32(number)
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code as i32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    //= GRPC-STATUS-DECIMAL  type=test
    #[test]
    fn every_code_comes_back() {
        for (number, code) in (0..).zip(Code::ALL) {
            assert_eq!(i32::from(code), number);
            assert_eq!(Code::from(number), code);
            assert_eq!(code.wire(), number.to_string());
            assert_eq!(Code::from_bytes(code.wire().as_bytes()), code);
            assert_eq!(
                code.name().replace('_', "").to_lowercase(),
                format!("{code:?}").to_lowercase()
            );
        }
    }

    //= CODE-UNKNOWN-NUMBER  type=test
    #[test]
    fn b55_what_is_no_code_is_unknown() {
        let rows = [
            ("", "nothing"),
            ("17", "one more than there are"),
            ("20", "two digits, the first not 1"),
            ("99999999999999999999", "more than any integer"),
            ("00", "a leading zero"),
            ("05", "a leading zero"),
            ("+5", "a sign"),
            ("-1", "a sign"),
            (" 5", "a space before"),
            ("5 ", "a space behind"),
            ("5,5", "two headers in one"),
            ("0x5", "another base"),
            ("NOT_FOUND", "a name"),
            ("٥", "a digit, but not ASCII's"),
        ];
        for (value, why) in rows {
            assert_eq!(
                Code::from_bytes(value.as_bytes()),
                Code::Unknown,
                "{value:?}: {why}"
            );
        }
        for number in [-1, 17, i32::MIN, i32::MAX] {
            assert_eq!(Code::from_i32(number), Code::Unknown, "{number}");
        }
    }

    proptest! {
        #[test]
        fn only_a_codes_own_digits_give_it(value in "[0-9 +]{0,3}") {
            let code = Code::from_bytes(value.as_bytes());
            prop_assert!(code == Code::Unknown || code.wire() == value);
        }
    }
}
