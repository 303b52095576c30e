//! Who built the node's containerd, as far as the node tells.

use super::{DaemonEnvironment, debug_settings};
use crate::version::{Build, Maker};

/// `ID` of operating systems that ship a containerd of their own, close to the project's: EKS, Bottlerocket, GKE, AKS, Flatcar, Talos.
const SYSTEMS: [&str; 7] = ["amzn", "bottlerocket", "cos", "azurelinux", "mariner", "flatcar", "talos"];
const ANYBODYS: &str = "upstream";
/// Those whose containerd has patches that no other has.
const RANCHERS: [&str; 2] = ["k3s", "RKE2"];

/// What the distribution whose files these are, the operating system and the unit's environment tell.
pub fn build(distribution: &str, system: Option<&str>, environment: &DaemonEnvironment) -> Build {
    let of_vendor = distribution != ANYBODYS || system.is_some_and(|id| SYSTEMS.contains(&id));
    let maker = if of_vendor { Maker::Official } else { Maker::Open };
    let ranchers = Some(RANCHERS.contains(&distribution));
    Build { maker, told: debug_settings(environment), ranchers, ..Build::OPEN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_build_as_the_project_does_and_debian_may() {
        let maker = |distribution, system| build(distribution, system, &DaemonEnvironment::default()).maker;
        assert_eq!((maker("k3s", Some("debian")), maker("RKE2", None)), (Maker::Official, Maker::Official));
        for system in ["amzn", "bottlerocket", "cos", "azurelinux"] {
            assert_eq!(maker("upstream", Some(system)), Maker::Official, "{system}");
        }
        assert_eq!((maker("upstream", Some("debian")), maker("upstream", None)), (Maker::Open, Maker::Open));
    }

    #[test]
    fn k3s_and_rke2_have_a_containerd_of_their_own() {
        let ranchers = |distribution| build(distribution, None, &DaemonEnvironment::default()).ranchers;
        assert_eq!([ranchers("k3s"), ranchers("RKE2")], [Some(true); 2]);
        assert_eq!([ranchers("upstream"), ranchers("k0s")], [Some(false); 2]);
    }
}
