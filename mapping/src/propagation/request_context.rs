//! The carrier of the request that is being served, over `opentelemetry::Context`.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use opentelemetry::{Context, ContextGuard};

use super::cargo::Cargo;
use super::carrier::Carrier;

/// A handle on the current request's carrier; clones share it.
///
/// It lives in the OpenTelemetry context, so it goes where that goes, and ends with the [`Scope`]
/// that brought it.
///
/// ```
/// use lanewire_mapping::propagation::RequestContext;
///
/// let scope = RequestContext::create();
/// scope.with_carrier_mut(|carrier| carrier.add("x-lane-code", "gray"));
/// let snapshot = RequestContext::snapshot();
/// std::thread::spawn(move || {
///     let _scope = snapshot.attach();
///     let cargo = RequestContext::get().and_then(|request| request.cargo("x-lane-code"));
///     assert!(cargo.is_some());
/// })
/// .join()
/// .expect("the thread found the lane");
/// drop(scope);
/// assert!(RequestContext::get().is_none());
/// ```
#[derive(Clone, Default)]
pub struct RequestContext {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    carrier: Carrier,
    deadline: Option<Instant>,
}

/// What hides the request context from what is called.
struct Slot(Option<RequestContext>);

impl RequestContext {
    /// A handle on this carrier, in no context yet.
    pub fn new(carrier: Carrier) -> Self {
        let state = State {
            carrier,
            deadline: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The current one.
    pub fn get() -> Option<Self> {
        Context::map_current(Self::of)
    }

    /// The one in a context.
    pub fn of(context: &Context) -> Option<Self> {
        context.get::<Slot>().and_then(|slot| slot.0.clone())
    }

    /// This context with the handle in it.
    pub fn in_context(&self, context: &Context) -> Context {
        context.with_value(Slot(Some(self.clone())))
    }

    /// The current one, or a new one that ends with the scope.
    ///
    /// ```
    /// use lanewire_mapping::propagation::RequestContext;
    ///
    /// let outer = RequestContext::get_or_create();
    /// let inner = RequestContext::get_or_create();
    /// inner.with_carrier_mut(|carrier| carrier.add("x-lane-code", "gray"));
    /// assert!(outer.has_cargo());
    /// ```
    pub fn get_or_create() -> Scope {
        match Self::get() {
            Some(request) => Scope {
                request,
                _guard: None,
            },
            None => Self::create(),
        }
    }

    /// An empty one, current until the scope ends; then the former is current again.
    pub fn create() -> Scope {
        Self::set(Carrier::new())
    }

    /// One with this carrier, current until the scope ends.
    ///
    /// ```
    /// use lanewire_mapping::propagation::{Carrier, RequestContext};
    ///
    /// let mut carrier = Carrier::new();
    /// carrier.add("x-lane-code", "gray");
    /// {
    ///     let _scope = RequestContext::set(carrier);
    ///     assert!(RequestContext::get().is_some_and(|request| request.has_cargo()));
    /// }
    /// assert!(RequestContext::get().is_none());
    /// ```
    pub fn set(carrier: Carrier) -> Scope {
        Self::new(carrier).attach()
    }

    /// Makes this one current until the scope ends.
    pub fn attach(self) -> Scope {
        let guard = Context::map_current(|cx| self.in_context(cx)).attach();
        Scope {
            request: self,
            _guard: Some(guard),
        }
    }

    /// No request context until the guard is dropped: for work that is not the request's.
    ///
    /// ```
    /// use lanewire_mapping::propagation::RequestContext;
    ///
    /// let _scope = RequestContext::create();
    /// {
    ///     let _guard = RequestContext::remove();
    ///     assert!(RequestContext::get().is_none());
    /// }
    /// assert!(RequestContext::get().is_some());
    /// ```
    #[must_use = "the request context comes back when the guard is dropped"]
    pub fn remove() -> ContextGuard {
        Context::map_current(|cx| cx.with_value(Slot(None))).attach()
    }

    /// The whole current context for another thread or task. Its carrier is a copy: neither side
    /// sees what the other changes.
    pub fn snapshot() -> Snapshot {
        let request = Self::get().map(|request| Self {
            state: Arc::new(Mutex::new(request.lock().clone())),
        });
        Snapshot(Context::map_current(|cx| match &request {
            Some(request) => request.in_context(cx),
            None => cx.clone(),
        }))
    }

    /// Looks at the carrier, such as at each of its cargos. The closure must not use this handle again: the carrier is locked.
    pub fn with_carrier<T>(&self, look: impl FnOnce(&Carrier) -> T) -> T {
        look(&self.lock().carrier)
    }

    /// Changes the carrier. The closure must not use this handle again: the carrier is locked.
    pub fn with_carrier_mut<T>(&self, change: impl FnOnce(&mut Carrier) -> T) -> T {
        change(&mut self.lock().carrier)
    }

    /// Whether there is any cargo.
    pub fn has_cargo(&self) -> bool {
        !self.lock().carrier.is_empty()
    }

    /// A copy of the cargo with this key.
    pub fn cargo(&self, key: &str) -> Option<Cargo> {
        self.lock().carrier.get(key).cloned()
    }

    /// A copy of an attribute, if it is a `T`.
    pub fn attribute<T: Any + Clone>(&self, name: &str) -> Option<T> {
        self.lock().carrier.attribute(name).cloned()
    }

    /// Sets an attribute; it never leaves the process.
    pub fn set_attribute<T: Any + Send + Sync>(&self, name: impl Into<String>, value: T) {
        self.lock().carrier.set_attribute(name, value);
    }

    /// Whether there is an attribute of this name, whatever its type.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.lock().carrier.has_attribute(name)
    }

    /// Takes an attribute out.
    pub fn remove_attribute(&self, name: &str) -> Option<Arc<dyn Any + Send + Sync>> {
        self.lock().carrier.remove_attribute(name)
    }

    /// When the request's time is up.
    pub fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }

    /// Sets or clears when the request's time is up. It stays in the process.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use lanewire_mapping::propagation::RequestContext;
    ///
    /// let request = RequestContext::create();
    /// assert!(!request.is_timeout());
    /// request.set_deadline(Some(Instant::now() + Duration::from_secs(60)));
    /// assert!(!request.is_timeout());
    /// request.set_deadline(Some(Instant::now()));
    /// assert!(request.is_timeout());
    /// ```
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.lock().deadline = deadline;
    }

    /// Whether the request's time is up; never without a deadline.
    pub fn is_timeout(&self) -> bool {
        self.deadline().is_some_and(|at| Instant::now() >= at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a caller's closure leaves a carrier that is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("RequestContext")
            .field("carrier", &state.carrier)
            .field("deadline", &state.deadline)
            .finish()
    }
}

/// As long as it lives, its request context is the current one of this thread.
///
/// It derefs to its [`RequestContext`], and stays on its thread: take a [`Snapshot`] to others, and
/// for futures, which move between threads, a context.
///
/// ```
/// use lanewire_mapping::propagation::RequestContext;
///
/// let scope = RequestContext::create();
/// scope.set_attribute("retries", 2_u32);
/// let request = RequestContext::get().expect("it is the current one");
/// assert_eq!(request.attribute::<u32>("retries"), Some(2));
/// ```
#[must_use = "the request context ends with the scope"]
#[derive(Debug)]
pub struct Scope {
    request: RequestContext,
    _guard: Option<ContextGuard>,
}

impl std::ops::Deref for Scope {
    type Target = RequestContext;

    fn deref(&self) -> &RequestContext {
        &self.request
    }
}

/// A context to take to another thread or task.
///
/// ```
/// use lanewire_mapping::propagation::RequestContext;
/// use opentelemetry::context::FutureExt;
///
/// let scope = RequestContext::create();
/// scope.with_carrier_mut(|carrier| carrier.add("x-lane-code", "gray"));
/// // Spawn this on any runtime: wherever it is polled, the lane is there.
/// let task = async { RequestContext::get().is_some_and(|request| request.has_cargo()) }
///     .with_context(RequestContext::snapshot().into_context());
/// drop(scope);
/// # let mut task = std::pin::pin!(task);
/// # let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
/// # let polled = std::future::Future::poll(task.as_mut(), &mut waker);
/// # assert_eq!(polled, std::task::Poll::Ready(true));
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot(Context);

impl Snapshot {
    /// Makes it current on this thread until the guard is dropped.
    #[must_use = "the context ends with the guard"]
    pub fn attach(self) -> ContextGuard {
        self.0.attach()
    }

    /// The context, for `FutureExt::with_context` of OpenTelemetry.
    pub fn into_context(self) -> Context {
        self.0
    }
}
