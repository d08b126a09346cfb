//! A real image registry: distribution's, with its own checking of credentials.
//!
//! Tests push without credentials through a back door: a second registry process without authentication over the same
//! directory, which runs only for the time of the push. So the registry under test never has a hole in it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use reqwest::Url;
use serde_json::{Value, json};

use crate::{
    Context, Result, WorldDir,
    binaries::Program,
    images::Image,
    plain_http,
    ports::Port,
    process::{Launch, Process},
};

/// Whom a registry lets in.
#[derive(Clone, Debug, Default)]
pub enum RegistryAuth {
    /// Everybody.
    #[default]
    None,
    /// Those who send this user name and password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: String,
    },
    /// Those who bring a bearer token which a token service has signed.
    Token(TokenAuth),
}

/// The token service which a registry trusts.
#[derive(Clone, Debug)]
pub struct TokenAuth {
    /// Where clients are sent for tokens: `https://…` or `http://…`.
    pub realm: String,
    /// The registry's name, which tokens must have as their audience.
    pub service: String,
    /// Who must have issued the tokens.
    pub issuer: String,
    /// Whose signature is good.
    pub keys: TokenKeys,
}

/// The keys that sign tokens.
#[derive(Clone, Debug)]
pub enum TokenKeys {
    /// A file with a JSON Web Key Set; tokens name the key by `kid`.
    Jwks(PathBuf),
    /// A PEM file with CA certificates; tokens bring their chain in `x5c`.
    RootCertificates(PathBuf),
}

/// How a registry is to be.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Whom it lets in.
    pub auth: RegistryAuth,
    /// The address of this machine where it listens.
    pub address: IpAddr,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { auth: RegistryAuth::None, address: Ipv4Addr::LOCALHOST.into() }
    }
}

/// A running registry; dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    address: SocketAddr,
    _port: Port,
    dir: WorldDir,
    name: String,
    storage: PathBuf,
}

impl Registry {
    /// Starts one and waits until it answers.
    pub async fn start(options: RegistryOptions, dir: &WorldDir) -> Result<Self> {
        let port = Port::free()?;
        let name = format!("registry-{port}");
        let storage = dir.subdir(&format!("{name}-storage"))?;
        let auth = options.auth.config(dir, &name)?;
        let address = SocketAddr::new(options.address, port.number());
        let process = serve(dir, &name, address, &storage, auth).await?;
        Ok(Self { process, address, _port: port, dir: dir.clone(), name, storage })
    }

    /// `127.0.0.1:PORT`, or the like at another address of this machine, where it speaks plain HTTP.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// The process, to be killed, paused and resumed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Pushes one image under several `REPOSITORY:TAG` names, through the back door.
    pub async fn push(&self, image: &Image, names: &[&str]) -> Result<()> {
        let port = Port::free()?;
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.number());
        let _door = serve(&self.dir, &format!("{}-door-{port}", self.name), address, &self.storage, None).await?;
        let url: Url = format!("http://{address}/").parse().context(|| "making the back door's URL")?;
        let http = plain_http()?;
        for name in names {
            let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
            image.push(&http, &url, repository, tag).await?;
        }
        Ok(())
    }
}

impl RegistryAuth {
    fn config(self, dir: &WorldDir, name: &str) -> Result<Option<Value>> {
        let token = match self {
            Self::None => return Ok(None),
            Self::Basic { username, password } => {
                // The lowest cost: it guards nothing but a test.
                let hash = bcrypt::hash(password, 4).context(|| "hashing the registry's password")?;
                let file = dir.write(&format!("{name}.htpasswd"), format!("{username}:{hash}\n"))?;
                return Ok(Some(json!({"htpasswd": {"realm": "world", "path": file}})));
            }
            Self::Token(token) => token,
        };
        let TokenAuth { realm, service, issuer, keys } = token;
        let (key, file) = match keys {
            TokenKeys::Jwks(file) => ("jwks", file),
            TokenKeys::RootCertificates(file) => ("rootcertbundle", file),
        };
        Ok(Some(json!({"token": {"realm": realm, "service": service, "issuer": issuer, key: file}})))
    }
}

async fn serve(
    dir: &WorldDir,
    name: &str,
    address: SocketAddr,
    storage: &PathBuf,
    auth: Option<Value>,
) -> Result<Process> {
    let mut config = json!({
        "version": "0.1",
        "log": {"accesslog": {"disabled": false}},
        "storage": {"filesystem": {"rootdirectory": storage}, "delete": {"enabled": true}},
        // Relative, since clients come under the names of other hosts.
        "http": {"addr": address, "relativeurls": true, "secret": "world"},
    });
    if let Some(auth) = auth {
        config["auth"] = auth;
    }
    // JSON is YAML too.
    let config = dir.write(&format!("{name}.yaml"), config.to_string())?;
    let mut process = Launch::new(name, Program::Registry.path().await?, dir.path())
        .arg("serve")
        .arg(config)
        .env("OTEL_TRACES_EXPORTER", "none")
        .start()?;
    let (http, url) = (plain_http()?, format!("http://{address}/v2/"));
    let probe = async || http.get(&url).send().await.map(drop).context(|| "asking the registry");
    process.until_ready(Duration::from_secs(90), probe).await?;
    Ok(process)
}
