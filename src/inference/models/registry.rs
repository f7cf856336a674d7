//! From a model's name to verified files.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::fetch::{Fetcher, blocking};
use super::manifest::{FileSpec, Manifest};
use super::verify::{Verified, quarantine, sha256_of};
use super::{ModelError, ModelsConfig, Progress, architecture, named};

#[derive(RustEmbed)]
#[folder = "models/"]
struct BuiltIn;

/// The known models and the folder where their files are kept.
#[derive(Debug, Clone)]
pub struct Registry {
    cache: PathBuf,
    manifests: BTreeMap<String, Manifest>,
    fetcher: Fetcher,
}

/// The files of a model, present and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// The model's folder.
    pub dir: PathBuf,
    /// Name in the manifest → path.
    pub files: BTreeMap<String, PathBuf>,
    /// Hash of everything that determines the model's output.
    pub fingerprint: String,
}

impl ModelFiles {
    /// The GGUF among the files.
    pub fn gguf(&self) -> Option<&Path> {
        self.files
            .values()
            .find(|path| path.extension().is_some_and(|extension| extension == "gguf"))
            .map(PathBuf::as_path)
    }
}

/// What a full check found about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCheck {
    /// Name in the manifest.
    pub file: String,
    /// What it is.
    pub state: FileState,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// What it should be.
    Verified,
    /// Not there.
    Missing,
    /// Another file; it was moved out of the way.
    Refused {
        /// What the manifest says.
        expected: String,
        /// What the file has.
        actual: String,
        /// Where it lies now.
        moved: PathBuf,
    },
}

impl Registry {
    /// Reads the built-in manifests and the user's own.
    pub fn open(config: &ModelsConfig) -> Result<Self, ModelError> {
        let mut manifests = BTreeMap::new();
        let mut add = |path: &Path, text: &str| {
            let manifest =
                Manifest::parse(text).map_err(|reason| ModelError::Manifest { path: path.into(), reason })?;
            manifests.insert(manifest.name.clone(), manifest);
            Ok(())
        };
        for name in BuiltIn::iter().filter(|name| is_manifest(Path::new(name.as_ref()))) {
            if let Some(file) = BuiltIn::get(&name) {
                add(Path::new(name.as_ref()), &String::from_utf8_lossy(&file.data))?;
            }
        }
        if let Some(folder) = &config.manifests {
            let entries = fs::read_dir(folder).map_err(|error| ModelError::io(folder, &error))?;
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths.iter().filter(|path| is_manifest(path)) {
                let text = fs::read_to_string(path).map_err(|error| ModelError::io(path, &error))?;
                add(path, &text)?;
            }
        }
        Ok(Self { cache: config.cache_dir()?, manifests, fetcher: Fetcher::new(config) })
    }

    /// Every model with a manifest, by name.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.manifests.values()
    }

    /// The folder of all model files.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The model called `name`: a manifest's name, a path, or a repository. Nothing is fetched; an architecture that
    /// no backend runs is refused as soon as a file of it is here.
    pub fn find(&self, name: &str) -> Result<Manifest, ModelError> {
        if let Some(manifest) = self.manifests.get(name) {
            return Ok(manifest.clone());
        }
        let path = Path::new(name);
        if path.exists() {
            return named::at_path(path);
        }
        named::in_repository(name).ok_or_else(|| ModelError::Unknown {
            name: name.into(),
            known: self.manifests.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// The model's files if all are here and are what they should be; `None` when one is missing. Fetches nothing.
    ///
    /// Files that have not changed since they were last hashed are not read again. A file that is not what the
    /// manifest says is moved out of the way and refused. Blocks while it hashes.
    pub fn installed(&self, manifest: &Manifest) -> Result<Option<ModelFiles>, ModelError> {
        let dir = self.dir(manifest);
        let mut files = BTreeMap::new();
        let mut hashes = Vec::new();
        for spec in &manifest.files {
            let path = path_of(&dir, spec);
            if !path.is_file() {
                if spec.optional {
                    hashes.push("-".to_string());
                    continue;
                }
                return Ok(None);
            }
            hashes.push(self.check(manifest, spec, &path, false)?);
            files.insert(spec.name.clone(), path);
        }
        let fingerprint = manifest.fingerprint(hashes.iter().map(String::as_str));
        Ok(Some(ModelFiles { dir, files, fingerprint }))
    }

    /// The model's files, fetching what is missing. One process fetches a model at a time; others wait for it.
    pub async fn ensure(
        &self,
        manifest: &Manifest,
        progress: &dyn Progress,
    ) -> Result<ModelFiles, ModelError> {
        if let Some(files) = self.installed_off_thread(manifest).await? {
            return Ok(files);
        }
        let dir = self.dir(manifest);
        fs::create_dir_all(&dir).map_err(|error| ModelError::io(&dir, &error))?;
        let _lock = lock(&dir, &manifest.name, progress).await?;
        for spec in &manifest.files {
            let path = path_of(&dir, spec);
            if spec.local.is_some() || path.is_file() {
                continue;
            }
            if let Some(sha256) = self.fetcher.fetch(&manifest.name, spec, &dir, progress).await? {
                let (dir, spec, path) = (dir.clone(), spec.clone(), path.clone());
                let kind = manifest.kind;
                blocking(&path.clone(), move || {
                    // What cannot run does not stay.
                    architecture::check(kind, &path).inspect_err(|_| drop(fs::remove_file(&path)))?;
                    Verified::read(&dir).remember(&spec.name, &path, &sha256)
                })
                .await?;
            }
        }
        self.installed_off_thread(manifest).await?.ok_or_else(|| ModelError::Unavailable {
            model: manifest.name.clone(),
            file: "a file".into(),
            reasons: vec!["it vanished while it was being fetched".into()],
        })
    }

    /// Reads and hashes every file again.
    pub fn verify(&self, manifest: &Manifest) -> Result<Vec<FileCheck>, ModelError> {
        let dir = self.dir(manifest);
        let mut checks = Vec::new();
        for spec in &manifest.files {
            let path = path_of(&dir, spec);
            let state = if path.is_file() {
                match self.check(manifest, spec, &path, true) {
                    Ok(_) => FileState::Verified,
                    Err(ModelError::HashMismatch { expected, actual, moved, .. }) => {
                        FileState::Refused { expected, actual, moved }
                    }
                    Err(error) => return Err(error),
                }
            } else if spec.optional {
                continue;
            } else {
                FileState::Missing
            };
            checks.push(FileCheck { file: spec.name.clone(), state });
        }
        Ok(checks)
    }

    /// The file's hash, read again if it has to be; refuses one that is not what it should be.
    fn check(
        &self,
        manifest: &Manifest,
        spec: &FileSpec,
        path: &Path,
        afresh: bool,
    ) -> Result<String, ModelError> {
        // What lies outside the cache is the user's: its record is kept in the cache, by path, and it may change.
        let (folder, key) = match &spec.local {
            Some(_) => {
                (self.cache.join("local"), hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes())))
            }
            None => (self.dir(manifest), spec.name.clone()),
        };
        let mut record = Verified::read(&folder);
        let expected = match (&spec.sha256, &spec.local) {
            (Some(hash), _) => Some(hash.clone()),
            (None, Some(_)) => None,
            (None, None) => record.recorded(&key).map(str::to_string),
        };
        if !afresh
            && let Some(hash) = record.hash_of(&key, path)
            && expected.as_deref().is_none_or(|expected| expected == hash)
        {
            return Ok(hash.to_string());
        }
        let actual = sha256_of(path)?;
        if let Some(expected) = expected
            && expected != actual
        {
            let moved = quarantine(path)?;
            return Err(ModelError::HashMismatch {
                model: manifest.name.clone(),
                path: path.into(),
                expected,
                actual,
                moved,
            });
        }
        // In a folder that cannot be written the only cost is hashing again.
        let _ = fs::create_dir_all(&folder);
        let _ = record.remember(&key, path, &actual);
        Ok(actual)
    }

    async fn installed_off_thread(&self, manifest: &Manifest) -> Result<Option<ModelFiles>, ModelError> {
        let (registry, manifest) = (self.clone(), manifest.clone());
        blocking(&self.cache, move || registry.installed(&manifest)).await
    }

    fn dir(&self, manifest: &Manifest) -> PathBuf {
        self.cache.join(&manifest.name)
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

fn path_of(dir: &Path, spec: &FileSpec) -> PathBuf {
    spec.local.clone().unwrap_or_else(|| dir.join(&spec.name))
}

/// Holds the model's folder until the file is dropped.
async fn lock(dir: &Path, model: &str, progress: &dyn Progress) -> Result<File, ModelError> {
    let path = dir.join(".lock");
    let file = File::create(&path).map_err(|error| ModelError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(ModelError::io(&path, &error)),
        Err(TryLockError::WouldBlock) => {
            progress.note(&format!("another process is fetching {model}; waiting for it"));
            let at = path.clone();
            blocking(&path, move || file.lock().map(|()| file).map_err(|error| ModelError::io(&at, &error)))
                .await
        }
    }
}
