//! The context of the current request.

use std::time::{Duration, Instant};

use lanewire_mapping::propagation::*;

fn lane() -> Option<String> {
    let request = RequestContext::get()?;
    Some(request.cargo("x-lane-code")?.value())
}

fn with_lane(lane: &str) -> Carrier {
    let mut carrier = Carrier::new();
    carrier.add("x-lane-code", lane);
    carrier
}

#[test]
fn there_is_none_until_one_is_created_and_none_afterwards() {
    assert!(RequestContext::get().is_none());
    {
        let scope = RequestContext::create();
        assert!(!scope.has_cargo());
        assert!(RequestContext::get().is_some());
    }
    assert!(RequestContext::get().is_none());
}

#[test]
fn the_outer_request_is_current_again_when_the_inner_ends() {
    let _outer = RequestContext::set(with_lane("gray"));
    {
        let _inner = RequestContext::set(with_lane("blue"));
        assert_eq!(lane().as_deref(), Some("blue"));
    }
    assert_eq!(lane().as_deref(), Some("gray"));
}

#[test]
fn getting_or_creating_takes_what_is_there() {
    let outer = RequestContext::get_or_create();
    {
        let inner = RequestContext::get_or_create();
        inner.with_carrier_mut(|carrier| carrier.set("x-lane-code", "gray"));
    }
    assert!(outer.has_cargo());
    assert_eq!(lane().as_deref(), Some("gray"));
}

#[test]
fn what_is_removed_comes_back() {
    let _scope = RequestContext::set(with_lane("gray"));
    {
        let _guard = RequestContext::remove();
        assert_eq!(lane(), None);
        let mut out = HeaderList::new(Medium::Header);
        let written = AutoPropagation::default().write_current(&mut out);
        assert_eq!(written, Written::default());
    }
    assert_eq!(lane().as_deref(), Some("gray"));
}

#[test]
fn attributes_stay_at_home() {
    let scope = RequestContext::set(with_lane("gray"));
    scope.set_attribute("x-live-secret", "s".to_owned());
    assert!(scope.has_attribute("x-live-secret"));
    assert_eq!(scope.attribute("x-live-secret"), Some("s".to_owned()));
    assert_eq!(scope.attribute::<u32>("x-live-secret"), None);
    for format in [Format::W3c, Format::Live] {
        let config = PropagationConfig {
            format,
            ..PropagationConfig::default()
        };
        let propagation = AutoPropagation::new(&config).expect("the default keys are legal");
        let mut out = HeaderList::new(Medium::Header);
        assert_eq!(propagation.write_current(&mut out).keys, 1);
        assert_eq!(out.iter().count(), 1);
    }
    let taken = scope
        .remove_attribute("x-live-secret")
        .expect("it is there");
    assert_eq!(taken.downcast_ref::<String>(), Some(&"s".to_owned()));
    assert!(!scope.has_attribute("x-live-secret"));
    assert!(scope.remove_attribute("x-live-secret").is_none());
}

#[test]
fn a_request_times_out_at_its_deadline_and_never_without() {
    let scope = RequestContext::create();
    assert!(!scope.is_timeout());
    scope.set_deadline(Some(Instant::now() + Duration::from_secs(3_600)));
    assert!(!scope.is_timeout());
    let past = Instant::now();
    scope.set_deadline(Some(past));
    assert!(scope.is_timeout());
    assert_eq!(scope.deadline(), Some(past));
    scope.set_deadline(None);
    assert!(!scope.is_timeout());
}

#[test]
fn a_snapshot_takes_everything_along_and_shares_nothing() {
    let scope = RequestContext::set(with_lane("gray"));
    let deadline = Instant::now();
    scope.set_deadline(Some(deadline));
    scope.set_attribute("retries", 3_u32);
    let snapshot = RequestContext::snapshot();
    scope.with_carrier_mut(|carrier| carrier.set("x-lane-code", "blue"));
    let there = std::thread::spawn(move || {
        let _guard = snapshot.attach();
        let request = RequestContext::get().expect("it was taken along");
        request.with_carrier_mut(|carrier| carrier.add("x-live-cell", "c1"));
        (lane(), request.deadline(), request.attribute("retries"))
    });
    let there = there.join().expect("the thread ends well");
    assert_eq!(there, (Some("gray".into()), Some(deadline), Some(3_u32)));
    assert_eq!(lane().as_deref(), Some("blue"));
    assert!(scope.cargo("x-live-cell").is_none());
}

#[test]
fn a_snapshot_of_nothing_hides_nothing() {
    let snapshot = RequestContext::snapshot();
    let _guard = snapshot.attach();
    assert!(RequestContext::get().is_none());
}
