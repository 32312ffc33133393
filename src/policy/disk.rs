//! Whether a disk has room: a database that cannot grow fails half of what it is asked.

/// Below this the disk counts as full: inserts fail at any moment, while small updates still succeed, in bytes.
const FULL_BYTES: u64 = 64 << 20;
/// Below this, or below a tenth of a small disk, somebody should make room, in bytes.
const LOW_BYTES: u64 = 1 << 30;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Enough.
    Enough,
    /// It runs out.
    Low,
    /// None to speak of.
    Full,
}

/// How much room `free` bytes of a disk of `total` bytes are. Source: failure F4 in
/// reference/security-reliability.md (watermark 64 MiB).
pub fn room(free: u64, total: u64) -> Room {
    if free < FULL_BYTES {
        Room::Full
    } else if free < LOW_BYTES.min(total / 10) {
        Room::Low
    } else {
        Room::Enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_by_what_is_free() {
        let (mib, gib) = (1_u64 << 20, 1_u64 << 30);
        for (free, total, told) in [
            (0, 0, Room::Full),
            (63 * mib, 500 * gib, Room::Full),
            (64 * mib, 500 * gib, Room::Low),
            (1_023 * mib, 500 * gib, Room::Low),
            (gib, 500 * gib, Room::Enough),
            (410 * mib, 4 * gib, Room::Enough),
            (400 * mib, 4 * gib, Room::Low),
            (70 * mib, 100 * mib, Room::Enough),
        ] {
            assert_eq!(room(free, total), told, "{free} of {total}");
        }
    }
}
