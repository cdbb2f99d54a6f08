//! What the kernel says of the loaded programs and their maps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, libbpf_sys};

use crate::agent::Abilities;
use crate::skel::LanewireSkel;

/// Bytes of map entries that are read at a time.
const BATCH_BYTES: usize = 256 << 10;
/// What the largest entry of a bucket's chain may need: chains are short.
const LEAST_BATCH: usize = 64;

/// How often a program has run, and how long, since it was loaded. The kernel counts while
/// `kernel.bpf_stats_enabled` is 1, or somebody holds `BPF_ENABLE_STATS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramRuns {
    /// The program.
    pub program: &'static str,
    /// Runs.
    pub runs: u64,
    /// Processor time of all runs.
    pub time: Duration,
}

/// How much of a map is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFill {
    /// The map.
    pub map: &'static str,
    /// Entries that are there.
    pub entries: u64,
    /// Entries that fit.
    pub limit: u64,
}

/// A handle on the programs and maps; may be used from any thread, and after the end of the
/// [`Agent`](crate::Agent).
#[derive(Debug)]
pub struct Statistics {
    programs: Vec<(&'static str, OwnedFd)>,
    maps: Vec<(&'static str, MapHandle)>,
}

impl Statistics {
    /// Of all programs that are loaded, and the maps whose entries come and go.
    pub(crate) fn of(
        skel: &LanewireSkel<'_>,
        abilities: Abilities,
    ) -> Result<Statistics, libbpf_rs::Error> {
        let mut programs = vec![
            ("sock_ops", skel.progs.lanewire_sock_ops.as_fd()),
            ("receive", skel.progs.lanewire_receive.as_fd()),
            ("fork", skel.progs.lanewire_fork.as_fd()),
            ("exec", skel.progs.lanewire_exec.as_fd()),
            ("exit", skel.progs.lanewire_exit.as_fd()),
            ("go_round_trip", skel.progs.lanewire_go_round_trip.as_fd()),
            ("go_write_loop", skel.progs.lanewire_go_write_loop.as_fd()),
        ];
        if abilities.preemptible {
            let again = skel.progs.lanewire_receive_again.as_fd();
            programs.push(("receive_again", again));
        }
        let mut maps = vec![
            ("processes", &skel.maps.processes),
            ("open_visits", &skel.maps.open_visits),
            ("pools", &skel.maps.pools),
            ("gathered", &skel.maps.gathered),
            ("suspects", &skel.maps.suspects),
            ("runtimes", &skel.maps.runtimes),
            ("workers_by_key", &skel.maps.workers_by_key),
            ("askers", &skel.maps.askers),
            ("writers", &skel.maps.writers),
            ("go_processors", &skel.maps.go_processors),
            ("go_lots", &skel.maps.go_lots),
        ];
        if !abilities.task_storage {
            maps.push(("workers_by_tid", &skel.maps.workers_by_tid));
        }
        let programs = programs.into_iter();
        let programs = programs.map(|(name, program)| Ok((name, program.try_clone_to_owned()?)));
        let maps = maps.into_iter();
        let maps = maps.map(|(name, map)| Ok((name, MapHandle::try_from(map)?)));
        Ok(Statistics {
            programs: programs.collect::<io::Result<_>>()?,
            maps: maps.collect::<Result<_, libbpf_rs::Error>>()?,
        })
    }

    /// The runs of each program.
    ///
    /// # Errors
    /// If the kernel refuses to tell of a program.
    pub fn programs(&self) -> Result<Vec<ProgramRuns>, libbpf_rs::Error> {
        let runs = self.programs.iter().map(|(program, fd)| {
            let info = program_info(fd)?;
            Ok(ProgramRuns {
                program,
                runs: info.run_cnt,
                time: Duration::from_nanos(info.run_time_ns),
            })
        });
        runs.collect()
    }

    /// How full the maps are whose entries come and go. Reads all entries that there are: a few
    /// milliseconds for tens of thousands.
    ///
    /// # Errors
    /// If the kernel refuses to read a map.
    pub fn maps(&self) -> Result<Vec<MapFill>, libbpf_rs::Error> {
        let fills = self.maps.iter().map(|(name, map)| {
            let per_element = match map.map_type() {
                MapType::Array => map.value_size() as usize / size_of::<u64>(),
                _ => 1,
            };
            Ok(MapFill {
                map: name,
                entries: entries(map)?,
                limit: u64::from(map.max_entries()) * per_element as u64,
            })
        });
        fills.collect()
    }
}

pub(crate) fn program_info(
    program: &impl AsFd,
) -> Result<libbpf_sys::bpf_prog_info, libbpf_rs::Error> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut length = size_of_val(&info) as u32;
    let fd = program.as_fd().as_raw_fd();
    // SAFETY: the kernel fills at most length bytes of info, which has that many.
    let result = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd, &mut info, &mut length) };
    match result {
        0 => Ok(info),
        error => Err(libbpf_rs::Error::from_raw_os_error(-error)),
    }
}

/// Entries of a hash, or words of an array that are not 0.
fn entries(map: &MapHandle) -> Result<u64, libbpf_rs::Error> {
    let is_array = map.map_type() == MapType::Array;
    let mut found = 0;
    each_batch(map, |keys, values| {
        found += match is_array {
            true => words_in_use(values),
            false => keys,
        }
    })?;
    Ok(found)
}

fn words_in_use(values: &[u8]) -> u64 {
    let (words, _) = values.as_chunks::<{ size_of::<u64>() }>();
    words.iter().filter(|word| **word != [0; 8]).count() as u64
}

/// Calls `each` with the number of keys and their values until all entries were there. What is
/// inserted or removed meanwhile may be missed, or seen twice.
fn each_batch(map: &MapHandle, mut each: impl FnMut(u64, &[u8])) -> Result<(), libbpf_rs::Error> {
    // The kernel's position in a hash is a number of 4 bytes, however short its keys are.
    let (key_size, value_size) = (map.key_size().max(4) as usize, map.value_size() as usize);
    let fits = BATCH_BYTES / (key_size + value_size);
    let mut most = fits.clamp(LEAST_BATCH, map.max_entries().max(1) as usize);
    let mut position: Option<Vec<u8>> = None;
    let options = libbpf_sys::bpf_map_batch_opts {
        sz: size_of::<libbpf_sys::bpf_map_batch_opts>() as _,
        elem_flags: MapFlags::ANY.bits(),
        flags: MapFlags::ANY.bits(),
    };
    loop {
        let mut next = vec![0u8; key_size];
        let (mut keys, mut values) = (vec![0u8; most * key_size], vec![0u8; most * value_size]);
        let mut count = most as u32;
        let from = position
            .as_mut()
            .map_or(std::ptr::null_mut(), Vec::as_mut_ptr);
        // SAFETY: from and next have room for a position, keys and values for count entries, and
        // all of them outlive the call.
        let result = unsafe {
            libbpf_sys::bpf_map_lookup_batch(
                map.as_fd().as_raw_fd(),
                from.cast(),
                next.as_mut_ptr().cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &mut count,
                &options,
            )
        };
        let error = (result < 0).then(|| io::Error::from_raw_os_error(-result));
        match error.as_ref().and_then(io::Error::raw_os_error) {
            // That was the last of them.
            None | Some(libc::ENOENT) => {
                each(u64::from(count), &values[..count as usize * value_size]);
                if error.is_some() {
                    return Ok(());
                }
                position = Some(next);
            }
            // One bucket has more.
            Some(libc::ENOSPC) if most < map.max_entries() as usize => most *= 2,
            Some(libc::EINTR | libc::EAGAIN) => {}
            Some(error) => return Err(libbpf_rs::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map with values of 64 bytes, or a word that this user may not make one.
    fn map(kind: MapType, entries: u32) -> Option<MapHandle> {
        let options = libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_sys::bpf_map_create_opts>() as _,
            ..Default::default()
        };
        let made = MapHandle::create(kind, Some("filled"), 4, 64, entries, &options);
        if let Err(error) = &made {
            eprintln!("SKIP: maps cannot be made: {error}");
        }
        made.ok()
    }

    fn filled(kind: MapType, limit: u32, entries: u32) -> Option<u64> {
        let map = map(kind, limit)?;
        for key in 0..entries {
            let value = [u8::from(kind != MapType::Array || key.is_multiple_of(2)); 64];
            map.update(&key.to_ne_bytes(), &value, MapFlags::ANY)
                .unwrap();
        }
        Some(super::entries(&map).unwrap())
    }

    #[test]
    fn entries_of_hashes_are_counted_however_many_there_are() {
        for entries in [0, 1, 2000, 20_000] {
            if let Some(found) = filled(MapType::Hash, 20_000, entries) {
                assert_eq!(found, u64::from(entries));
            }
        }
        if let Some(found) = filled(MapType::LruHash, 4096, 100) {
            assert_eq!(found, 100);
        }
    }

    #[test]
    fn words_of_an_array_that_are_not_zero_are_counted() {
        if let Some(found) = filled(MapType::Array, 10_000, 10_000) {
            assert_eq!(found, 5000 * 8);
        }
    }
}
