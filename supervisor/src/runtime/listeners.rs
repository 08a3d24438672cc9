//! Each app's address is bound once and passed to every generation of its workers.
//!
//! One shared descriptor, not one per worker with SO_REUSEPORT: that way a connection in the
//! accept queue survives the exit of any worker.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use tokio::net::TcpSocket;

use crate::config::Config;
use crate::machine::AppName;
use crate::runtime::port_owner;

/// How many connections the kernel keeps for us while all workers are busy.
const BACKLOG: i32 = 4096;

/// The bound addresses of the apps that want one.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    by_app: BTreeMap<AppName, (SocketAddr, TcpListener)>,
    /// Those that are wanted no more, by where they really are, while workers serve them.
    given_up: BTreeMap<SocketAddr, (SocketAddr, TcpListener)>,
}

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for app `{app}`{owner}")]
pub struct BindError {
    app: AppName,
    address: SocketAddr,
    owner: String,
    #[source]
    source: io::Error,
}

impl Listeners {
    /// Binds what the configuration wants and keeps what it still wants. Nothing is let go before
    /// everything is bound: on an error all is as it was.
    pub(crate) fn rebind(&mut self, config: &Config) -> Result<(), BindError> {
        let fresh = self.fresh(config, |address, ours| match ours {
            Some(listener) => listener.try_clone(),
            None => bind(address),
        })?;
        let gone = self.by_app.extract_if(.., |app, (bound, _)| {
            config.apps.get(app).is_none_or(|wanted| wanted.listen != Some(*bound))
        });
        let gone: Vec<_> = gone.map(|(_, one)| one).collect();
        self.by_app.extend(fresh);
        let places = gone.into_iter().filter_map(|one| Some((one.1.local_addr().ok()?, one)));
        self.given_up.extend(places);
        let wanted: Vec<_> = self.by_app.keys().filter_map(|app| self.address(app)).collect();
        self.given_up.retain(|place, _| !wanted.contains(place));
        Ok(())
    }

    /// The listener of an address that is given up, for its last worker; only once.
    pub(crate) fn close(&mut self, place: SocketAddr) -> Option<Arc<TcpListener>> {
        self.given_up.remove(&place).map(|(_, listener)| Arc::new(listener))
    }

    /// Lets go of what is wanted no more and not served either.
    pub(crate) fn let_go(&mut self, is_served: impl Fn(SocketAddr) -> bool) {
        self.given_up.retain(|place, _| is_served(*place));
    }

    /// Whether [`Listeners::rebind`] would go well now. Nothing is kept, and nobody can connect
    /// meanwhile.
    pub(crate) fn try_rebind(&self, config: &Config) -> Result<(), BindError> {
        let bound = self.fresh(config, |address, ours| match ours {
            Some(_) => Ok(None),
            None => bound(address).map(Some),
        });
        bound.map(drop)
    }

    /// What the configuration wants that its app does not have yet, got at its address, or from
    /// the listener that we have there: an app that was renamed or swapped its port with another
    /// goes on with that; its queue is shared with the old workers until they left.
    fn fresh<T>(
        &self,
        config: &Config,
        get: impl Fn(SocketAddr, Option<&TcpListener>) -> io::Result<T>,
    ) -> Result<BTreeMap<AppName, (SocketAddr, T)>, BindError> {
        let mut fresh = BTreeMap::new();
        for (app, wanted) in &config.apps {
            let Some(address) = wanted.listen else { continue };
            if self.by_app.get(app).is_some_and(|(bound, _)| *bound == address) {
                continue;
            }
            let ours = self.by_app.values().chain(self.given_up.values());
            let ours = ours.into_iter().find(|(bound, _)| *bound == address);
            let got = get(address, ours.map(|(_, listener)| listener));
            let got = got.map_err(|source| BindError {
                app: app.clone(),
                address,
                owner: port_owner::in_words(address),
                source,
            })?;
            fresh.insert(app.clone(), (address, got));
        }
        Ok(fresh)
    }

    /// The listener of an app.
    pub(crate) fn of(&self, app: &AppName) -> Option<BorrowedFd<'_>> {
        self.by_app.get(app).map(|(_, listener)| listener.as_fd())
    }

    /// Where an app really listens; differs from the file when that says port 0.
    pub(crate) fn address(&self, app: &AppName) -> Option<SocketAddr> {
        self.by_app.get(app).and_then(|(_, listener)| listener.local_addr().ok())
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bound(address)?.listen(BACKLOG.cast_unsigned())?.into_std()
}

/// Whether an address can be bound now; nobody can connect to it meanwhile.
pub(crate) fn try_to_bind(address: SocketAddr) -> io::Result<()> {
    bound(address).map(drop)
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
