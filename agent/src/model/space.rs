//! How much room an image needs, and how much there is.

use super::finding::{Finding, Severity};

/// Layers are compressed: unpacked they are about so many times as large, in halves. Images of compiled
/// programs come to 2, those of interpreted ones to 3.
const UNPACKED_HALVES: u64 = 5;

/// What an image still needs on the file system that holds containerd's images. What the node already has
/// is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Less than this cannot do: what is still to be downloaded, as the manifest says.
    pub needed_bytes: u64,
    /// With the layers unpacked: a guess, for no manifest tells their size.
    pub estimated_bytes: u64,
    /// For containerd, which is root.
    pub free_bytes: u64,
    /// Beyond what the file system keeps for root, as kubelet counts it.
    pub available_bytes: u64,
}

impl Space {
    /// `layers`: those bytes of `needed` that are unpacked on the same file system.
    pub const fn new(needed: u64, layers: u64, free: u64, available: u64) -> Self {
        let unpacked = layers.saturating_mul(UNPACKED_HALVES) / 2;
        Self {
            needed_bytes: needed,
            estimated_bytes: needed.saturating_add(unpacked),
            free_bytes: free,
            available_bytes: available,
        }
    }

    /// It may be downloaded and then not fit.
    pub const fn is_tight(&self) -> bool {
        self.needed_bytes > 0 && self.estimated_bytes > self.available_bytes
    }

    pub fn finding(&self, image: &str) -> Option<Finding> {
        self.is_tight().then(|| {
            let message = format!(
                "{image} may not fit: {} are still to be downloaded and unpack to about {} in all, {} are available",
                bytes(self.needed_bytes),
                bytes(self.estimated_bytes),
                bytes(self.available_bytes)
            );
            let fix = "make room with `crictl rmi --prune`, or enlarge the file system of containerd's root";
            Finding::new(Severity::Warning, "space_tight", message, fix)
        })
    }
}

/// Bytes as people say them: `512 B`, `3.4 MiB`, `12 GiB`.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let Some(power) = count.checked_ilog(1024).and_then(|power| power.checked_sub(1)) else {
        return format!("{count} B");
    };
    let unit = units.get(power as usize).copied().unwrap_or_default();
    let tenths = u128::from(count) * 10 / 1024_u128.pow(power + 1);
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_is_a_warning_and_only_where_something_is_missing() {
        let fits = Space::new(1_100, 1_000, 3_600, 3_600);
        assert_eq!((fits.estimated_bytes, fits.finding("x")), (3_600, None));
        let tight = Space::new(2 << 20, 2 << 20, 4 << 20, 4 << 20);
        let message = tight.finding("r.example/a:1").unwrap().message;
        assert!(message.starts_with("r.example/a:1 may not fit: 2.0 MiB are still to be"), "{message}");
        assert!(message.ends_with("unpack to about 7.0 MiB in all, 4.0 MiB are available"), "{message}");
        assert_eq!(Space::new(0, 0, 0, 0).finding("x"), None);
    }

    #[test]
    fn sizes_are_said_in_their_unit() {
        let said = [0, 1023, 1024, 1536, 10 << 20, u64::MAX].map(bytes);
        assert_eq!(said, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", "15 EiB"]);
    }
}
