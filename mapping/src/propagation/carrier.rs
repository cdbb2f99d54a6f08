//! All keys that one request carries.

use super::cargo::Cargo;

/// The cargos of a request, in the order in which their keys came, so that writing them is
/// deterministic.
///
/// Keys are compared exactly. Requests carry a handful of them, so that a list is searched faster
/// than a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carrier {
    cargos: Vec<Cargo>,
}

impl Carrier {
    /// The cargo of this key.
    pub fn get_cargo(&self, key: &str) -> Option<&Cargo> {
        self.cargos.iter().find(|cargo| cargo.key() == key)
    }

    /// Adds a cargo: its values are merged with those that the key has.
    pub fn add_cargo(&mut self, cargo: Cargo) {
        let (key, values) = cargo.into_parts();
        let own = self.cargo_mut(&key);
        for value in values {
            own.add(value);
        }
    }

    /// Puts a cargo in the place of the one of its key, or at the end if there is none.
    pub fn set_cargo(&mut self, cargo: Cargo) {
        let own = self.cargo_mut(cargo.key());
        *own = cargo;
    }

    /// Takes the cargo of this key out.
    pub fn remove_cargo(&mut self, key: &str) -> Option<Cargo> {
        let at = self.cargos.iter().position(|cargo| cargo.key() == key)?;
        Some(self.cargos.remove(at))
    }

    /// The cargos in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Cargo> {
        self.cargos.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.cargos.len()
    }

    /// Whether nothing is carried.
    pub fn is_empty(&self) -> bool {
        self.cargos.is_empty()
    }

    /// The cargo of this key, which is made if there is none.
    pub(super) fn cargo_mut(&mut self, key: &str) -> &mut Cargo {
        let at = self.cargos.iter().position(|cargo| cargo.key() == key);
        let at = at.unwrap_or_else(|| {
            self.cargos.push(Cargo::new(key));
            self.cargos.len() - 1
        });
        &mut self.cargos[at]
    }
}

impl<'a> IntoIterator for &'a Carrier {
    type Item = &'a Cargo;
    type IntoIter = std::slice::Iter<'a, Cargo>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Carrier {
    type Item = Cargo;
    type IntoIter = std::vec::IntoIter<Cargo>;

    fn into_iter(self) -> Self::IntoIter {
        self.cargos.into_iter()
    }
}
