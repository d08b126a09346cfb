//! Base secrets: what pullmint was given in files, to get credentials with.

use std::io;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{MintError, Reason};

/// No token or password is longer; a device or a log file by mistake is not read to its end.
const LONGEST: u64 = 64 * 1024;

/// Reads a secret from a file, without one trailing line end.
///
/// Nothing is kept: providers call it at each mint, so that a changed file counts at once.
///
/// # Errors
/// [`Reason::Misconfigured`] with what is wrong about the file.
pub async fn read(key: &str, path: &Path) -> Result<SecretString, MintError> {
    let attempt = || format!("read `{key}` from {}", path.display());
    let wrong = |remedy: String| MintError::new(Reason::Misconfigured, attempt(), remedy);
    let io = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => format!("mount the Secret that holds it, or correct `{key}`"),
            io::ErrorKind::PermissionDenied => {
                "let pullmint's user read it, for instance by `fsGroup` in the pod's security context".to_owned()
            }
            _ => format!("let `{key}` name a readable file"),
        };
        wrong(remedy).caused_by(error)
    };
    let metadata = tokio::fs::metadata(path).await.map_err(io)?;
    if metadata.is_dir() {
        return Err(wrong(format!("this is a directory: let `{key}` name the file in it")));
    }
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(wrong(format!("let `{key}` name a file that holds nothing but the secret")));
    }
    let bytes = Zeroizing::new(tokio::fs::read(path).await.map_err(io)?);
    let text = str::from_utf8(&bytes).map_err(|_| wrong("the file must hold text in UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let secret = SecretString::from(text.strip_suffix('\r').unwrap_or(text));
    if secret.expose_secret().trim().is_empty() {
        return Err(wrong("the file is empty: put the secret there".to_owned()));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(path: &Path) -> String {
        let error = read("token_file", path).await.expect_err("unusable");
        assert_eq!(error.reason, Reason::Misconfigured);
        format!("{}: {}", error.chain(), error.remedy)
    }

    #[tokio::test]
    async fn one_line_end_is_cut_and_no_more() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        for (text, secret) in
            [("hunter2", "hunter2"), ("hunter2\n", "hunter2"), ("hunter2\r\n", "hunter2"), (" a \n\n", " a \n")]
        {
            std::fs::write(&path, text).expect("written");
            assert_eq!(read("token_file", &path).await.expect("read").expose_secret(), secret);
        }
    }

    #[tokio::test]
    async fn what_is_wrong_about_a_file_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(refusal(&directory.path().join("absent")).await.contains("mount the Secret"));
        assert!(refusal(directory.path()).await.contains("this is a directory"));
        let empty = directory.path().join("empty");
        std::fs::write(&empty, "\n").expect("written");
        assert!(refusal(&empty).await.contains("the file is empty"));
        assert!(refusal(Path::new("/dev/zero")).await.contains("nothing but the secret"));
    }
}
