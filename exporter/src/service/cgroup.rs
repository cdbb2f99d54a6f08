//! What the paths of cgroups tell: containers, pods, systemd units.

/// The lines of `/proc/PID/cgroup` (`cgroups(7)`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cgroups {
    /// The path in the cgroup2 hierarchy.
    pub unified: String,
    /// All paths; some hosts still have their containers in the old hierarchies.
    paths: Vec<String>,
}

impl Cgroups {
    pub fn parse(text: &str) -> Self {
        let mut cgroups = Self::default();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(id), Some(_), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if id == "0" {
                path.clone_into(&mut cgroups.unified);
            }
            cgroups.paths.push(path.to_owned());
        }
        cgroups
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.paths
            .iter()
            .flat_map(|path| path.rsplit('/'))
            .filter(|part| !part.is_empty())
    }

    /// The container's id, as docker, containerd, CRI-O and podman put it there: 64 hex digits.
    pub fn container_id(&self) -> Option<&str> {
        self.parts().find_map(|part| {
            let part = part.strip_suffix(".scope").unwrap_or(part);
            // `conmon` watches a container from outside.
            if part.contains("-conmon-") {
                return None;
            }
            let id = part.rsplit(['-', ':']).next()?;
            (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
        })
    }

    /// The container's name, which only LXC puts there.
    pub fn container_name(&self) -> Option<&str> {
        self.paths.iter().find_map(|path| {
            let mut parts = path.split('/').filter(|part| !part.is_empty());
            let name = parts.find_map(|part| match part {
                "lxc" => Some(None),
                part => part.strip_prefix("lxc.payload.").map(Some),
            })?;
            name.or_else(|| parts.next())
        })
    }

    /// The Kubernetes pod's uid.
    pub fn pod_uid(&self) -> Option<String> {
        self.parts().find_map(|part| {
            // With systemd: kubepods-burstable-pod<uid>.slice, the uid's dashes as underscores, and
            // containerd may append :cri-containerd:<id>.
            let part = part.split(':').next()?;
            let part = part.strip_suffix(".slice").unwrap_or(part);
            let uid = match part.starts_with("kubepods") {
                true => part.split_once("-pod")?.1,
                false => part.strip_prefix("pod")?,
            };
            let uid = uid.replace('_', "-");
            uuid::Uuid::try_parse(&uid).is_ok().then_some(uid)
        })
    }

    /// The innermost systemd service, without `.service`.
    pub fn systemd_unit(&self) -> Option<&str> {
        // In a container it would be the runtime's.
        if self.container_id().is_some() || self.pod_uid().is_some() {
            return None;
        }
        let unit = self
            .parts()
            .find_map(|part| part.strip_suffix(".service"))?;
        // A user's manager is around everything that the user runs, and no service.
        (!unit.starts_with("user@")).then_some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn v2(path: &str) -> Cgroups {
        Cgroups::parse(&format!("0::{path}\n"))
    }

    #[test]
    fn every_runtime_s_container_id_is_found() {
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/kubepods/besteffort/pod6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11/{ID}"),
            format!("/kubepods.slice/cri-containerd-{ID}.scope"),
            format!("/system.slice/containerd.service/kubepods-podx.slice:cri-containerd:{ID}"),
            format!("/kubepods.slice/crio-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
        ] {
            assert_eq!(v2(&path).container_id(), Some(ID), "{path}");
            assert_eq!(v2(&path).systemd_unit(), None, "{path}");
        }
        let old = Cgroups::parse(&format!("4:memory:/docker/{ID}\n0::/\n"));
        assert_eq!(old.container_id(), Some(ID));
    }

    #[test]
    fn a_container_s_monitor_is_not_in_it() {
        assert_eq!(
            v2(&format!("/machine.slice/libpod-conmon-{ID}.scope")).container_id(),
            None
        );
    }

    #[test]
    fn a_pod_s_uid_is_found_in_both_drivers_forms() {
        let uid = "6d1f0a2e-8a83-4a1c-9c7d-0b8a5a3b0f11";
        let slice = format!(
            "/kubepods.slice/kubepods-burstable-pod{}.slice/x",
            uid.replace('-', "_")
        );
        assert_eq!(v2(&slice).pod_uid().as_deref(), Some(uid));
        assert_eq!(
            v2(&format!("/kubepods/burstable/pod{uid}/x"))
                .pod_uid()
                .as_deref(),
            Some(uid)
        );
        assert_eq!(v2("/system.slice/podman.service").pod_uid(), None);
    }

    #[test]
    fn the_innermost_service_is_the_unit() {
        assert_eq!(
            v2("/system.slice/nginx.service").systemd_unit(),
            Some("nginx")
        );
        let user = "/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service";
        assert_eq!(v2(user).systemd_unit(), Some("shop"));
        assert_eq!(
            v2("/user.slice/user@1000.service/app.slice/x.scope").systemd_unit(),
            None
        );
        assert_eq!(v2("/user.slice/session-3.scope").systemd_unit(), None);
    }

    #[test]
    fn an_lxc_container_has_a_name() {
        assert_eq!(v2("/lxc/shop/init.scope").container_name(), Some("shop"));
        assert_eq!(v2("/lxc.payload.shop/x").container_name(), Some("shop"));
    }
}
