//! Which connections of this worker belong to which user. A user's name is stored once.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::connection::Connection;
use crate::slab::{NONE, Slab};

/// Connections by user: a list through the connections' own links.
pub(crate) struct Users {
    users: Slab<User>,
    index: HashTable<u32>,
    hasher: RandomState,
}

struct User {
    name: Box<str>,
    first: u32,
}

/// A connection's place in its user's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserLink {
    pub(crate) user: u32,
    next: u32,
    previous: u32,
}

#[cfg(test)]
pub(crate) const USER_BYTES: usize = crate::slab::place_bytes::<User>();

impl UserLink {
    pub(crate) fn new() -> Self {
        Self { user: NONE, next: NONE, previous: NONE }
    }
}

impl Users {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self { users: Slab::new(), index: HashTable::new(), hasher }
    }

    /// How many users have a connection here; those without a name count as one.
    pub(crate) fn count(&self) -> u32 {
        self.users.count()
    }

    pub(crate) fn name(&self, link: &UserLink) -> &str {
        self.users.get(link.user).map_or("", |user| &user.name)
    }

    /// Every user's name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.users.iter().map(|(_, user)| &*user.name)
    }

    /// Puts a connection into its user's list.
    pub(crate) fn add(&mut self, name: &str, connection: u32, connections: &mut Slab<Connection>) {
        let hash = self.hasher.hash_one(name);
        let known =
            self.index.find(hash, |user| self.users.get(*user).is_some_and(|user| &*user.name == name));
        let user = known.copied().unwrap_or_else(|| self.insert(name, hash));
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        let next = std::mem::replace(&mut entry.first, connection);
        if let Some(connection) = connections.get_mut(connection) {
            connection.user = UserLink { user, next, previous: NONE };
        }
        if let Some(next) = connections.get_mut(next) {
            next.user.previous = connection;
        }
    }

    /// Takes a connection out of its user's list; a user without connections is forgotten.
    pub(crate) fn remove(&mut self, connection: u32, connections: &mut Slab<Connection>) {
        let Some(connection) = connections.get_mut(connection) else {
            return;
        };
        let link = std::mem::replace(&mut connection.user, UserLink::new());
        if let Some(next) = connections.get_mut(link.next) {
            next.user.previous = link.previous;
        }
        if let Some(previous) = connections.get_mut(link.previous) {
            previous.user.next = link.next;
        } else if let Some(user) = self.users.get_mut(link.user) {
            user.first = link.next;
            if link.next == NONE {
                self.forget(link.user);
            }
        }
    }

    /// Every connection of a user.
    pub(crate) fn connections(
        &self,
        name: &str,
        connections: &Slab<Connection>,
    ) -> impl Iterator<Item = u32> {
        let hash = self.hasher.hash_one(name);
        let same = |user: &&User| &*user.name == name;
        let found = self.index.find(hash, |user| self.users.get(*user).as_ref().is_some_and(same));
        let first = found.and_then(|user| self.users.get(*user)).map_or(NONE, |user| user.first);
        std::iter::successors(Some(first), |slot| connections.get(*slot).map(|entry| entry.user.next))
            .take_while(|slot| *slot != NONE)
    }

    fn insert(&mut self, name: &str, hash: u64) -> u32 {
        let user = self.users.insert(User { name: Box::from(name), first: NONE });
        let (users, hasher) = (&self.users, &self.hasher);
        let rehash = |user: &u32| users.get(*user).map_or(0, |user| hasher.hash_one(&*user.name));
        self.index.insert_unique(hash, user, rehash);
        user
    }

    fn forget(&mut self, user: u32) {
        let Some(entry) = self.users.remove(user) else {
            return;
        };
        let hash = self.hasher.hash_one(&*entry.name);
        if let Ok(found) = self.index.find_entry(hash, |known| *known == user) {
            found.remove();
        }
    }
}
