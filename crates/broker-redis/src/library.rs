//! What runs inside Redis: the function library `fanfare` that nodes load and backends call, and the same
//! functions as scripts, for servers without functions and for users who may not load any.

use std::borrow::Cow;

/// The library's name.
pub const NAME: &str = "fanfare";

/// The library's number, which the function `fanfare_library` answers. A node loads its library only where
/// there is none or one with a lower number.
pub const VERSION: u32 = 2;

/// The library's text, for `FUNCTION LOAD`.
pub const FUNCTIONS: &str = concat!(
    "#!lua name=fanfare\n",
    include_str!("library/text.lua"),
    include_str!("library/channel.lua"),
    include_str!("library/fanfare.lua"),
    include_str!("library/presence.lua"),
    include_str!("library/register.lua")
);

/// A library as it is loaded.
#[derive(Debug, Clone)]
pub struct Library {
    /// What the function `fanfare_library` answers.
    pub(crate) number: u32,
    /// For `FUNCTION LOAD`.
    pub(crate) text: Cow<'static, str>,
}

impl Library {
    /// Of this program.
    pub fn current() -> Self {
        Self { number: VERSION, text: FUNCTIONS.into() }
    }

    /// The same functions under another number: what a program of another version would load.
    pub fn numbered(number: u32) -> Self {
        let line = |number: u32| format!("local VERSION = {number}\n");
        let text = FUNCTIONS.replace(&line(VERSION), &line(number));
        Self { number, text: text.into() }
    }
}

/// A function of the library, in both of its forms. All take one key: the name of the channel in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Its name, for `FCALL`.
    pub name: &'static str,
    /// The script that does the same with the same keys and arguments, for `EVAL`.
    pub script: &'static str,
}

macro_rules! function {
    ($file:literal, $name:literal) => {
        Function {
            name: $name,
            script: concat!(
                include_str!("library/text.lua"),
                include_str!("library/channel.lua"),
                include_str!(concat!("library/", $file)),
                "\nreturn ",
                $name,
                "(KEYS, ARGV)\n"
            ),
        }
    };
}

/// Publishes: payload, then names and values. Answers epoch, offset, and 1 when it was not published because
/// of its idempotency key or version; zeros stand for no position.
pub const PUBLISH: Function = function!("fanfare.lua", "fanfare_publish");

/// Reads a history: size, TTL, meta TTL, since, limit, reverse. Answers epoch, top and its mark, then offsets and
/// bodies.
pub const READ: Function = function!("fanfare.lua", "fanfare_read");

/// Drops what is kept of a history. Answers whether anything was.
pub const REMOVE: Function = function!("fanfare.lua", "fanfare_remove");

/// Begins a new epoch where what was handed out is lost: its epoch, offset and mark, size, TTL, meta TTL. Answers
/// epoch, top and its mark.
pub const RENEW: Function = function!("fanfare.lua", "fanfare_renew");

/// Makes a client a member, or keeps it one: TTL, client, user, what is shown of it. Answers whether it was none,
/// and the number of members.
pub const ENTER: Function = function!("presence.lua", "fanfare_enter");

/// Ends a membership: client. Answers whether it was one, and the number of members.
pub const EXIT: Function = function!("presence.lua", "fanfare_exit");

/// Lists members: limit. Answers their number, then what is shown of each, unless there are more.
pub const MEMBERS: Function = function!("presence.lua", "fanfare_members");

/// Counts members. Answers the numbers of clients and users.
pub const COUNT: Function = function!("presence.lua", "fanfare_count");
