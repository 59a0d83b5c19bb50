//! What a connection may do now, who is subscribed, what each of them still has to receive.

#![forbid(unsafe_code)]
