//! Tables by index: entries stay where they are, growth never copies them, a place is used again under a
//! new generation.

const CHUNK_BITS: u32 = 9;
const CHUNK: usize = 1 << CHUNK_BITS;
/// No entry.
pub(crate) const NONE: u32 = u32::MAX;

/// Entries of one kind, named by index. Memory is taken in chunks of 512 entries and kept for reuse.
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Place<T>>>,
    free: u32,
    used: u32,
}

struct Place<T> {
    generation: u32,
    entry: Entry<T>,
}

/// What an entry of this kind takes up, used or not.
#[cfg(test)]
pub(crate) const fn place_bytes<T>() -> usize {
    size_of::<Place<T>>()
}

enum Entry<T> {
    Vacant { next: u32 },
    Used(T),
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, used: 0 }
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> u32 {
        self.used
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.used += 1;
        let free = self.free;
        if free != NONE {
            let place = self.place_mut(free).expect("the free list names places");
            if let Entry::Vacant { next } = std::mem::replace(&mut place.entry, Entry::Used(value)) {
                self.free = next;
            }
            return free;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let full = (self.chunks.len() - 1) << CHUNK_BITS;
        let chunk = self.chunks.last_mut().expect("a chunk with room was made sure of");
        chunk.push(Place { generation: 0, entry: Entry::Used(value) });
        (full + chunk.len() - 1) as u32
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let place = self.place_mut(index)?;
        if matches!(place.entry, Entry::Vacant { .. }) {
            return None;
        }
        place.generation = place.generation.wrapping_add(1);
        let old = std::mem::replace(&mut place.entry, Entry::Vacant { next: free });
        self.free = index;
        self.used -= 1;
        match old {
            Entry::Used(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        let chunk = self.chunks.get((index >> CHUNK_BITS) as usize)?;
        match &chunk.get(index as usize & (CHUNK - 1))?.entry {
            Entry::Used(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut self.place_mut(index)?.entry {
            Entry::Used(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    /// The generation of a place, used or not; 0 for one never used.
    pub(crate) fn generation(&self, index: u32) -> u32 {
        let chunk = self.chunks.get((index >> CHUNK_BITS) as usize);
        chunk.and_then(|chunk| chunk.get(index as usize & (CHUNK - 1))).map_or(0, |place| place.generation)
    }

    /// How many places there are, used or not: every index is below.
    pub(crate) fn places(&self) -> u32 {
        self.chunks.iter().map(|chunk| chunk.len() as u32).sum()
    }

    /// Every entry with its index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().flatten().enumerate().filter_map(|(index, place)| match &place.entry {
            Entry::Used(value) => Some((index as u32, value)),
            Entry::Vacant { .. } => None,
        })
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.chunks.get_mut((index >> CHUNK_BITS) as usize)?.get_mut(index as usize & (CHUNK - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_under_a_new_generation() {
        let mut slab = Slab::new();
        let first = slab.insert("a");
        let generation = slab.generation(first);
        assert_eq!(slab.remove(first), Some("a"));
        assert_eq!(slab.remove(first), None);
        let second = slab.insert("b");
        assert_eq!(first, second);
        assert_ne!(slab.generation(second), generation);
        assert_eq!(slab.get(second), Some(&"b"));
        assert_eq!(slab.get(NONE), None);
    }

    #[test]
    fn indices_stay_valid_across_chunks() {
        let mut slab = Slab::new();
        let indices: Vec<u32> = (0..2000).map(|value| slab.insert(value)).collect();
        assert!(indices.iter().enumerate().all(|(value, index)| slab.get(*index) == Some(&value)));
        assert_eq!(slab.count(), 2000);
        assert_eq!(slab.iter().count(), 2000);
    }
}
