//! How many connections each remote address has, so that one of them cannot have them all.
//!
//! Connections of this machine and of trusted proxies do not count: behind a proxy before us
//! everybody has the same address, and whoever is on this machine could do worse.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::asker::Proxies;
use crate::quota::household;

/// The connections of each address.
#[derive(Debug)]
pub(super) struct Neighbours {
    counts: Mutex<HashMap<IpAddr, u32>>,
    most: u32,
    proxies: Arc<Proxies>,
}

/// One connection of an address.
#[derive(Debug)]
pub(super) struct Neighbour {
    all: Arc<Neighbours>,
    address: Option<IpAddr>,
}

impl Neighbours {
    pub(super) fn new(most: u32, proxies: Arc<Proxies>) -> Arc<Neighbours> {
        Arc::new(Neighbours { counts: Mutex::default(), most, proxies })
    }

    /// Counts one connection more; `None` when there are enough.
    pub(super) fn enter(self: &Arc<Neighbours>, from: IpAddr) -> Option<Neighbour> {
        let address = household(from);
        if from.to_canonical().is_loopback() || self.proxies.trusts(from) {
            return Some(Neighbour { all: Arc::clone(self), address: None });
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Neighbour { all: Arc::clone(self), address: Some(address) })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.all.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::settings::HttpSettings;

    use super::*;

    #[test]
    fn an_address_has_its_share_and_this_machine_and_trusted_proxies_have_all() {
        let trusted_proxies = vec!["198.51.100.0/24".parse().unwrap()];
        let http = HttpSettings { trusted_proxies, ..HttpSettings::default() };
        let all = Neighbours::new(2, Arc::new(Proxies::new(&http)));
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = all.enter(one).expect("the first");
        let _second = all.enter(one).expect("the second");
        assert!(all.enter(one).is_none());
        assert!(all.enter(other).is_some());
        drop(first);
        assert!(all.enter(one).is_some());
        for free in [[127, 0, 0, 1], [198, 51, 100, 7]] {
            let many: Vec<_> = (0..10).map(|_| all.enter(free.into())).collect();
            assert!(many.iter().all(Option::is_some), "{free:?}");
        }
        assert_eq!(all.counts.lock().unwrap().len(), 1);
    }
}
