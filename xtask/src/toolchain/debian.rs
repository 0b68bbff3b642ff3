//! Debian's compiler, fetched and unpacked into a cache without being installed.
//!
//! It has no standard library for wasm32 either, but it comes with the source of its own, so cargo can build that
//! (`-Zbuild-std`). Cargo and the linker stay the active toolchain's. Package names carry versions, so they are read from apt's
//! own lists. The cache is complete or absent: everything is unpacked aside and renamed at the end, under a lock.

use super::{TARGET, rustup};
use crate::process;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::semver::Version;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The compiler's package; the rest follows from what it depends on.
const COMPILER: &str = "rustc-web";
/// Source of its standard library. Nothing depends on it.
const SOURCE: &str = "rust-web-src";
/// Longest time that one apt-get command may take, with about 140 MB to fetch.
const FETCHING: Duration = Duration::from_secs(900);

/// Where fetched packages are kept for later runs.
pub struct Cache {
    folder: PathBuf,
}

/// An unpacked compiler that was seen to run.
pub struct Toolchain {
    root: PathBuf,
    libraries: PathBuf,
    linker: PathBuf,
    version: Version,
    fetched_now: bool,
}

impl Cache {
    /// `BACKUP_TOOLCHAIN_CACHE`, or a folder in cargo's target folder.
    pub fn of(workspace: &Workspace) -> Self {
        let folder = match std::env::var_os("BACKUP_TOOLCHAIN_CACHE") {
            Some(folder) if !folder.is_empty() => workspace.root().join(folder),
            _ => workspace.target().join("wasm-toolchain"),
        };
        Self { folder }
    }

    /// What an earlier run has left.
    pub fn fetched_before(&self) -> Result<Option<Toolchain>> {
        let root = self.root();
        if !root.exists() {
            return Ok(None);
        }
        Toolchain::open(root, false).map(Some).with_context(|| {
            format!(
                "the compiler in {} does not work; remove that folder to have it fetched again",
                self.folder.display()
            )
        })
    }

    /// Fetches and unpacks, unless another run does so meanwhile.
    pub fn fetch(&self, minimum: Option<&Version>) -> Result<Toolchain> {
        fs::create_dir_all(&self.folder).with_context(|| format!("{} could not be made", self.folder.display()))?;
        let lock = File::create(self.folder.join("lock"))?;
        lock.lock()?;
        if let Some(toolchain) = self.fetched_before()? {
            return Ok(toolchain);
        }
        let mut lists = Lists { updated: false };
        lists.ensure_known(COMPILER)?;
        let packages = lists.packages()?;
        let archives = self.folder.join("archives");
        lists.download(&packages, &archives)?;

        let unpacked = self.folder.join("unpacked");
        if unpacked.exists() {
            fs::remove_dir_all(&unpacked)?;
        }
        for entry in archives.read_dir()? {
            process::run(Command::new("dpkg-deb").arg("--extract").arg(entry?.path()).arg(&unpacked))?;
        }
        let toolchain = Toolchain::open(unpacked.clone(), true)?;
        if let Some(minimum) = minimum {
            let found = &toolchain.version;
            ensure!(
                found >= minimum,
                "Debian's compiler is {found}, and this project needs {minimum}"
            );
        }
        fs::rename(&unpacked, self.root())?;
        fs::remove_dir_all(&archives)?;
        Toolchain::open(self.root(), true)
    }

    fn root(&self) -> PathBuf {
        self.folder.join(COMPILER)
    }
}

impl Toolchain {
    /// Finds the parts and runs the compiler once.
    fn open(root: PathBuf, fetched_now: bool) -> Result<Self> {
        let libraries = libraries(&root)?;
        let mut rustc = Command::new(root.join("usr/bin/rustc"));
        let said = process::output(rustc.arg("--version").env("LD_LIBRARY_PATH", &libraries))?;
        let version = said.split_whitespace().nth(1).and_then(|word| Version::parse(word).ok());
        let version = version.with_context(|| format!("`rustc --version` said `{said}`"))?;
        Ok(Self {
            linker: linker(&root)?,
            root,
            libraries,
            version,
            fetched_now,
        })
    }

    /// Makes cargo compile with this compiler, its standard library included.
    pub fn apply(&self, cargo: &mut Command, flags: &mut Vec<String>) {
        let source = self.root.join("usr/lib/rustlib/src/rust");
        flags.push(format!("--remap-path-prefix={}=/rustc", source.display()));
        let mut search = vec![self.libraries.clone()];
        search.extend(std::env::var_os("LD_LIBRARY_PATH").iter().flat_map(std::env::split_paths));
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            // Cargo is of the stable channel, where `-Z` has to be unlocked.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", self.root.join("usr/bin/rustc"))
            .env(
                format!("CARGO_TARGET_{}_LINKER", TARGET.replace('-', "_").to_uppercase()),
                &self.linker,
            );
        // Fails only on a folder name with a colon in it, which the loader can't be told of in any way.
        if let Ok(search) = std::env::join_paths(search) {
            cargo.env("LD_LIBRARY_PATH", search);
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.fetched_now { "fetched now" } else { "fetched before" };
        write!(
            f,
            "Debian's rustc {} in {}, {when}, not installed",
            self.version,
            self.root.display()
        )
    }
}

/// The folder with the compiler's own shared library: `usr/lib/<name of the architecture>`.
fn libraries(root: &Path) -> Result<PathBuf> {
    let lib = root.join("usr/lib");
    for entry in lib
        .read_dir()
        .with_context(|| format!("{} could not be listed", lib.display()))?
    {
        let folder = entry?.path();
        let Ok(mut files) = folder.read_dir() else { continue };
        if files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("librustc_driver-"))) {
            return Ok(folder);
        }
    }
    bail!("{} holds no librustc_driver", lib.display())
}

/// rust-lld of the active toolchain; Debian's packages hold none.
fn linker(root: &Path) -> Result<PathBuf> {
    let host = rustup::host()?;
    let own = rustup::sysroot()?.join("lib/rustlib").join(&host).join("bin/rust-lld");
    let debians = root.join("usr/lib/rustlib").join(&host).join("bin/rust-lld");
    let places = [own, debians, PathBuf::from("/usr/bin/wasm-ld")];
    match places.iter().find(|place| place.exists()) {
        Some(linker) => Ok(linker.clone()),
        None => bail!(
            "no linker for {TARGET}: neither the active toolchain nor Debian's packages have rust-lld, and wasm-ld (package lld) is not installed"
        ),
    }
}

/// apt's lists of packages, brought up to date at most once and only when something is missing.
struct Lists {
    updated: bool,
}

impl Lists {
    fn ensure_known(&mut self, package: &str) -> Result<()> {
        if depends_on(package).is_ok_and(|names| !names.is_empty()) {
            return Ok(());
        }
        self.update()?;
        let known = depends_on(package)?;
        ensure!(
            !known.is_empty(),
            "there is no package {package} here (Debian 12 and later have it)"
        );
        Ok(())
    }

    fn update(&mut self) -> Result<()> {
        ensure!(!self.updated, "apt's lists are up to date");
        ensure!(is_root()?, "apt's lists are missing or old: run `apt-get update` as root");
        eprintln!("bringing apt's lists up to date: apt-get update");
        let mut apt = Command::new("apt-get");
        apt.args(["update", "--quiet", "--quiet"]).stdin(Stdio::null());
        finish(process::run_bounded(&mut apt, FETCHING, || {})?, "apt-get update")?;
        self.updated = true;
        Ok(())
    }

    /// Compiler and source, and those shared libraries that they need and that are not installed.
    fn packages(&self) -> Result<BTreeSet<String>> {
        let mut wanted = BTreeSet::from([COMPILER.to_owned(), SOURCE.to_owned()]);
        let mut open = vec![COMPILER.to_owned()];
        while let Some(package) = open.pop() {
            for name in depends_on(&package)? {
                // What a linker on this machine needs (gcc, binutils, libc) any Rust user has.
                let is_library = name.starts_with("lib") && !name.starts_with("libc6");
                if is_library && !wanted.contains(&name) && !is_installed(&name)? {
                    wanted.insert(name.clone());
                    open.push(name);
                }
            }
        }
        Ok(wanted)
    }

    /// Downloads into an empty `folder`. Old lists name files that are gone: then once more with new ones.
    fn download(&mut self, packages: &BTreeSet<String>, folder: &Path) -> Result<()> {
        match download(packages, folder) {
            Err(_) if !self.updated && is_root()? => {
                self.update()?;
                download(packages, folder)
            }
            done => done,
        }
    }
}

fn download(packages: &BTreeSet<String>, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let list = process::output(Command::new("apt-get").args(["download", "--print-uris"]).args(packages))?;
    let bytes = total_bytes(&list)?;
    let progress = progress(packages.len(), bytes);
    let mut apt = Command::new("apt-get");
    apt.args(["download", "--quiet", "--quiet"])
        .args(packages)
        .current_dir(folder);
    apt.stdin(Stdio::null()).stdout(Stdio::null());
    // Only as root: apt then warns that its own user can't write here, and goes on.
    apt.args(["--option", "APT::Sandbox::User=root"]);
    let status = process::run_bounded(&mut apt, FETCHING, || progress.set_position(bytes_in(folder)))?;
    finish(status, "apt-get download")?;
    progress.finish_and_clear();
    eprintln!("fetched {} MB", bytes_in(folder) / 1_000_000);
    Ok(())
}

fn finish(status: Option<std::process::ExitStatus>, what: &str) -> Result<()> {
    match status {
        None => bail!("`{what}` took longer than {} s and was ended", FETCHING.as_secs()),
        Some(status) if !status.success() => bail!("`{what}` failed ({status})"),
        Some(_) => Ok(()),
    }
}

/// A bar on a terminal; one line elsewhere.
fn progress(packages: usize, bytes: u64) -> ProgressBar {
    let what = format!("fetching {packages} packages of Debian's compiler, {} MB", bytes / 1_000_000);
    if !stderr().is_terminal() {
        eprintln!("{what}");
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(bytes).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Sum of the sizes in what `apt-get download --print-uris` prints: `'uri' file size hash`.
fn total_bytes(list: &str) -> Result<u64> {
    let sizes = list.lines().filter(|line| line.starts_with('\'')).map(|line| {
        let size = line.split_whitespace().nth(2).and_then(|size| size.parse::<u64>().ok());
        size.with_context(|| format!("apt-get gave no size in `{line}`"))
    });
    sizes.sum()
}

fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = folder.read_dir() else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len())
        .sum()
}

/// Names that a package depends on.
fn depends_on(package: &str) -> Result<Vec<String>> {
    let said = process::output(Command::new("apt-cache").args(["depends", "--important", "--no-suggests", package]))?;
    Ok(parse_depends(&said))
}

fn parse_depends(said: &str) -> Vec<String> {
    let names = said
        .lines()
        .filter_map(|line| line.trim_start().trim_start_matches('|').strip_prefix("Depends: "));
    names.filter(|name| !name.starts_with('<')).map(str::to_owned).collect()
}

fn is_installed(package: &str) -> Result<bool> {
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output();
    let query = query.context("`dpkg-query` could not be started")?;
    Ok(query.status.success() && query.stdout == b"installed")
}

fn is_root() -> Result<bool> {
    Ok(process::output(Command::new("id").arg("-u"))? == "0")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_packages_come_from_apt_and_virtual_ones_are_left_out() {
        let said = "rustc-web\n  Depends: libc6\n  Depends: libstd-rust-web-dev\n |Depends: gcc\n  Depends: <libc-dev>\n    libc6-dev\n  Conflicts: rustc\n";
        assert_eq!(parse_depends(said), ["libc6", "libstd-rust-web-dev", "gcc"]);
        assert!(parse_depends("").is_empty());
    }

    #[test]
    fn what_is_to_be_fetched_is_summed_from_the_list() {
        let list = "'http://localhost/a.deb' a.deb 29378692 SHA256:00\n'http://localhost/b.deb' b.deb 8 SHA256:01\n";
        assert_eq!(total_bytes(list).unwrap(), 29_378_700);
        assert!(total_bytes("'http://localhost/a.deb' a.deb").is_err());
    }

    #[test]
    fn a_folder_without_the_compilers_library_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/empty")).unwrap();
        assert!(libraries(root.path()).unwrap_err().to_string().contains("librustc_driver"));
        let folder = root.path().join("usr/lib/some-linux-gnu");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("librustc_driver-0123.so"), "").unwrap();
        assert_eq!(libraries(root.path()).unwrap(), folder);
    }
}
