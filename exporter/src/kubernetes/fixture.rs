//! Pods without a server, for the tests of those who ask for them.

use std::collections::HashMap;
use std::sync::Arc;

use super::pod::Pod;
use super::pods::{Pods, Shared};

/// A node whose pods are what the test says.
#[derive(Default)]
pub(crate) struct Node {
    shared: Arc<Shared>,
}

impl Node {
    pub fn pods(&self) -> Pods {
        Pods::shared(&self.shared)
    }

    /// From now on there is this pod alone.
    pub fn runs(&self, uid: &str, pod: Pod) {
        self.shared.replace(HashMap::from([(uid.to_owned(), pod)]));
    }

    /// From now on there is no pod.
    pub fn runs_nothing(&self) {
        self.shared.replace(HashMap::new());
    }
}
