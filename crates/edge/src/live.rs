//! Values that are replaced while the node runs. Whoever works with one keeps what it took until it is done.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value that a reload replaces as a whole.
pub(crate) struct Live<T>(Mutex<Arc<T>>);

impl<T> Live<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Self(Mutex::new(value))
    }

    /// The value of today.
    pub(crate) fn now(&self) -> Arc<T> {
        Arc::clone(&self.lock())
    }

    pub(crate) fn replace(&self, value: Arc<T>) {
        *self.lock() = value;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
