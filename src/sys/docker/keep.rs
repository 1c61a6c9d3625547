//! What of a container is its own: what it was made from, and what it has written since. Another container that is given both goes on where it stood.

mod own;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use bollard::container::LogOutput;
use bollard::models::{
    ChangeType, ContainerCreateBody, ContainerInspectResponse, EndpointIpamConfig, EndpointSettings, HostConfig,
    HostConfigLogConfig, Mount, MountType, NetworkingConfig, PortBinding,
};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures::{StreamExt, TryStreamExt};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use self::own::{Wanted, append};
use super::derive::Container;
use super::{DockerError, Engine, Error, ask, while_it_answers};
use crate::sys::pipe;

/// Prefix of the names of containers that read what another has on its volumes.
const PREFIX: &str = "lab-snapshot-";
/// Where such a container has these volumes.
const VOLUMES: &str = "/volumes";
/// Its last word, when all went well.
const END: &str = "lab: all was read";
/// The port of an API server, which may be published anywhere: whoever needs it asks for it.
const API_SERVER: &str = "6443/tcp";

/// Writes an archive of what the volumes hold that the image does not: files are compared by kind, permissions, owner, size and time. Mounts and
/// sockets in it are left out, as processes make those when they start. etcd keeps a spare file of 64 MB at hand, with nothing in it.
const READ: &str = r#"set -euo pipefail
list() {
    cd "$1"
    find "${volumes[@]}" -xdev \( -type d -printf '%y %m %U %G\t%p\0' -o -type s -o -path '*/member/wal/*.tmp' -o -printf '%y %m %U %G %s %T@\t%p\0' \) |
        LC_ALL=C sort -z
}
volumes=("$@")
LC_ALL=C comm -z -23 <(list /volumes) <(list /) | cut -z -f2- | LC_ALL=C sort -z |
    tar --create --directory /volumes --no-recursion --xattrs --xattrs-include='*' --null --files-from - | gzip -1
echo 'lab: all was read' >&2
"#;

/// What a container was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec(ContainerCreateBody);

/// A container as it is looked at to be kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it was made from.
    pub spec: ContainerSpec,
    /// Layers of its image, by digest: what tells that another machine has the very same image.
    pub layers: Vec<String>,
    /// Volumes, by name and path in it.
    volumes: Vec<(String, String)>,
    /// Paths that something is mounted at.
    mounts: Vec<String>,
}

/// Where a container goes that is made like another.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The image, with the same files.
    pub image: &'a str,
    /// The Docker network.
    pub network: &'a str,
    /// Labels that differ.
    pub labels: &'a [(&'a str, &'a str)],
    /// The subnet that the other was in, and the one that this one will be in.
    pub subnets: [Ipv4Net; 2],
}

impl ContainerSpec {
    /// The same at another place. It takes itself for the other, by whose host name its new neighbours find it. `moved` gives where an address of the
    /// one subnet is in the other.
    #[must_use]
    pub fn at(&self, place: Place<'_>, moved: impl Fn(Ipv4Addr) -> Ipv4Addr) -> Self {
        let mut body = self.0.clone();
        body.image = Some(place.image.to_owned());
        let labels = place.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        body.labels.get_or_insert_default().extend(labels);
        // What it must not ask a proxy for.
        let [from, to] = place.subnets.map(|subnet| subnet.to_string());
        for variable in body.env.iter_mut().flatten() {
            *variable = variable.replace(&from, &to);
        }
        let before = body.networking_config.take().and_then(|n| n.endpoints_config).unwrap_or_default();
        let address = before.into_values().find_map(|e| e.ipam_config?.ipv4_address?.parse().ok()).map(&moved);
        let endpoint = EndpointSettings {
            aliases: body.hostname.clone().map(|name| vec![name]),
            ipam_config: address.map(|address| EndpointIpamConfig {
                ipv4_address: Some(address.to_string()),
                ..EndpointIpamConfig::default()
            }),
            ..EndpointSettings::default()
        };
        let endpoints = HashMap::from([(place.network.to_owned(), endpoint)]);
        body.networking_config = Some(NetworkingConfig { endpoints_config: Some(endpoints) });
        let host = body.host_config.get_or_insert_default();
        host.network_mode = Some(place.network.to_owned());
        for binding in host.port_bindings.iter_mut().flat_map(HashMap::values_mut).flatten().flatten() {
            let address = binding.host_ip.as_deref().and_then(|ip| ip.parse().ok()).map(&moved);
            binding.host_ip = address.map(|ip: Ipv4Addr| ip.to_string()).or(binding.host_ip.take());
        }
        Self(body)
    }
}

impl Engine {
    /// Looks at a container that is to be kept.
    pub async fn look_to_keep(&self, container: &str) -> Result<Kept, DockerError> {
        let found = ask(format!("look at {container}"), self.docker.inspect_container(container, None)).await?;
        let layers = self.layers(found.image.as_deref().unwrap_or_default()).await?.unwrap_or_default();
        let mounts = found.mounts.clone().unwrap_or_default();
        let volumes = mounts.iter().filter(|m| m.typ.as_deref() == Some("volume"));
        let volumes = volumes.filter_map(|m| Some((m.name.clone()?, m.destination.clone()?))).collect();
        let tmpfs = found.host_config.as_ref().and_then(|h| h.tmpfs.clone()).unwrap_or_default();
        let mounts = mounts.into_iter().filter_map(|m| m.destination).chain(tmpfs.into_keys()).collect();
        Ok(Kept { spec: spec(container, found)?, layers, volumes, mounts })
    }

    /// The layers of an image, by digest; `None` when the engine does not have it.
    pub async fn layers(&self, image: &str) -> Result<Option<Vec<String>>, DockerError> {
        match super::in_time(self.docker.inspect_image(image)).await {
            Ok(found) => Ok(Some(found.root_fs.and_then(|r| r.layers).unwrap_or_default())),
            // What is no name at all names nothing, such as `<none>:<none>`, which the engine tells of images that have lost their names.
            Err(Error::DockerResponseServerError { status_code: 400 | 404, .. }) => Ok(None),
            Err(e) => Err(DockerError::request(format!("inspect image {image}"))(e)),
        }
    }

    /// Makes a container, which does not run yet, from what another was made from.
    pub async fn make_again(&self, name: &str, spec: &ContainerSpec) -> Result<(), DockerError> {
        let mut body = spec.0.clone();
        for binding in api_server(&mut body) {
            publish_anew(binding);
        }
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = while_it_answers(&self.copying, self.copying.create_container(Some(options), body)).await;
        made.map(|_| ()).map_err(DockerError::request(format!("create {name}")))
    }

    /// Lays an archive, zipped or not, over the file system of a container.
    pub async fn lay_into(&self, container: &str, archive: &Path) -> Result<(), DockerError> {
        let path = archive.to_owned();
        let archive = pipe::writing(move |writer| io::copy(&mut crate::sys::fs::open(&path)?, writer).map(|_| ()));
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let upload = self.copying.upload_to_container(container, Some(options), bollard::body_try_stream(archive));
        let laid = while_it_answers(&self.copying, upload).await;
        laid.map_err(DockerError::request(format!("copy files into {container}")))
    }

    /// Writes an archive of what a container has written on its own file system. What it removed there is not told: it comes back.
    pub async fn read_own<W>(&self, container: &str, kept: &Kept, to: W) -> Result<W, DockerError>
    where
        W: Write + Send + 'static,
    {
        let what = || format!("read what {container} has written");
        let changes = ask(what(), self.docker.container_changes(container)).await?.unwrap_or_default();
        let changes: Vec<(ChangeType, String)> = changes.into_iter().map(|c| (c.kind, c.path)).collect();
        let wanted = Wanted::of(&changes, &kept.mounts);
        let mut archive = tar::Builder::new(to);
        for root in wanted.roots.clone() {
            let options = DownloadFromContainerOptionsBuilder::default().path(&root).build();
            let parts: Vec<_> = self
                .copying
                .download_from_container(container, Some(options))
                .try_collect()
                .await
                .map_err(DockerError::request(what()))?;
            append(&mut archive, &root, &parts.concat(), &wanted)
                .map_err(|e| DockerError::request(what())(e.into()))?;
        }
        archive.into_inner().map_err(|e| DockerError::request(what())(e.into()))
    }

    /// Removes what an aborted [`Self::read_volumes`] of a container has left, if it has.
    pub async fn remove_reader(&self, name: &str) -> Result<(), DockerError> {
        self.remove(&format!("{PREFIX}{name}")).await
    }

    /// Writes a zipped archive of what a container has on its volumes and its image does not have there. It may be frozen meanwhile: another
    /// container reads, of `image`, which has the same files and no labels of a node.
    pub async fn read_volumes<W: Write>(
        &self,
        name: &str,
        image: &str,
        kept: &Kept,
        to: &mut W,
    ) -> Result<(), DockerError> {
        let reader = Container { engine: self, name: format!("{PREFIX}{name}") };
        self.remove_reader(name).await?;
        let what = || format!("read the volumes of {name}");
        let read = while_it_answers(&self.copying, read(self, &reader.name, reading(image, kept), to)).await;
        let said = read.map_err(DockerError::request(what()))?;
        if said.lines().any(|line| line == END) {
            return Ok(());
        }
        Err(DockerError::request(what())(Error::DockerStreamError { error: said }))
    }
}

/// Runs a container that writes the archive; gives what it says.
async fn read(engine: &Engine, name: &str, body: ContainerCreateBody, to: &mut impl Write) -> Result<String, Error> {
    let docker = &engine.copying;
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    docker.create_container(Some(options), body).await?;
    let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
    let mut output = docker.attach_container(name, Some(options)).await?.output;
    let run = async {
        docker.start_container(name, None).await?;
        let mut said = String::new();
        while let Some(written) = output.next().await {
            match written? {
                LogOutput::StdOut { message } => to.write_all(&message)?,
                other => said.push_str(&String::from_utf8_lossy(&other.into_bytes())),
            }
        }
        Ok(said)
    };
    // It removes itself, also when nobody is left to do it; until then it has the volumes.
    let options = WaitContainerOptionsBuilder::default().condition("removed").build();
    let gone = docker.wait_container(name, Some(options)).count();
    tokio::join!(gone, run).1
}

fn reading(image: &str, kept: &Kept) -> ContainerCreateBody {
    let mount = |(name, path): &(String, String)| Mount {
        target: Some(format!("{VOLUMES}{path}")),
        source: Some(name.clone()),
        typ: Some(MountType::VOLUME),
        read_only: Some(true),
        ..Mount::default()
    };
    let paths = kept.volumes.iter().map(|(_, path)| path.trim_matches('/').to_owned());
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(["bash", "-c", READ, "read"].map(str::to_owned).into_iter().chain(paths).collect()),
        cmd: Some(Vec::new()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(HostConfig {
            // Marks that an overlay makes on files are for root alone.
            privileged: Some(true),
            auto_remove: Some(true),
            network_mode: Some("none".to_owned()),
            // The engine would keep a copy of all that it prints.
            log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
            mounts: Some(kept.volumes.iter().map(mount).collect()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// What a container was made from, by what the engine says of it.
fn spec(name: &str, found: ContainerInspectResponse) -> Result<ContainerSpec, DockerError> {
    let unread = |e: serde_json::Error| DockerError::request(format!("look at {name}"))(io::Error::from(e).into());
    // Both are the same object for the engine, and two types here.
    let config = serde_json::to_value(found.config.unwrap_or_default()).map_err(unread)?;
    let mut body: ContainerCreateBody = serde_json::from_value(config).map_err(unread)?;
    body.host_config = found.host_config;
    let id = found.id.unwrap_or_default();
    let networks = found.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let endpoint = |settings: EndpointSettings| EndpointSettings {
        ipam_config: own_addresses(&settings),
        // The engine gives every container the start of its own identity as a name.
        aliases: settings.aliases.map(|all| all.into_iter().filter(|alias| !id.starts_with(alias.as_str())).collect()),
        ..EndpointSettings::default()
    };
    let endpoints: HashMap<String, EndpointSettings> =
        networks.into_iter().map(|(network, settings)| (network, endpoint(settings))).collect();
    body.networking_config = Some(NetworkingConfig { endpoints_config: Some(endpoints) });
    Ok(ContainerSpec(body))
}

/// The addresses that a running container has, which it is to have again: what runs on the host's network in a node, as MetalLB's speaker, is told the
/// node's address by Kubernetes, fails with an old one, and is then held back for some time.
fn own_addresses(settings: &EndpointSettings) -> Option<EndpointIpamConfig> {
    let given = |address: &Option<String>| address.clone().filter(|a| !a.is_empty());
    let (ipv4, ipv6) = (given(&settings.ip_address), given(&settings.global_ipv6_address));
    if ipv4.is_none() {
        return settings.ipam_config.clone();
    }
    Some(EndpointIpamConfig { ipv4_address: ipv4, ipv6_address: ipv6, ..EndpointIpamConfig::default() })
}

fn api_server(body: &mut ContainerCreateBody) -> impl Iterator<Item = &mut PortBinding> {
    let ports = body.host_config.as_mut().and_then(|h| h.port_bindings.as_mut());
    ports.and_then(|p| p.get_mut(API_SERVER)).and_then(Option::as_mut).into_iter().flatten()
}

/// Leaves a port where it was published, unless something else of this machine has taken it meanwhile: then it is another that is free.
fn publish_anew(binding: &mut PortBinding) {
    let address = binding.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned());
    let port =
        |text: &str| TcpListener::bind(format!("{address}:{text}")).and_then(|l| l.local_addr()).map(|a| a.port());
    let taken = binding.host_port.as_deref().is_some_and(|text| port(text).is_err());
    if let (true, Ok(free)) = (taken, port("0")) {
        binding.host_port = Some(free.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_at_another_place_answers_to_the_name_that_it_had() {
        let binding = |ip: &str| Some(vec![PortBinding { host_ip: Some(ip.to_owned()), host_port: None }]);
        let was = ContainerSpec(ContainerCreateBody {
            hostname: Some("two-c1-control-plane".to_owned()),
            image: Some("lab/cluster:two.c1".to_owned()),
            env: Some(vec!["NO_PROXY=localhost,172.24.0.0/20".to_owned()]),
            labels: Some(HashMap::from([("lab".to_owned(), "two".to_owned()), ("role".to_owned(), "node".to_owned())])),
            host_config: Some(HostConfig {
                network_mode: Some("lab-two".to_owned()),
                port_bindings: Some(HashMap::from([
                    ("6443/tcp".to_owned(), binding("127.0.0.1")),
                    ("31443/tcp".to_owned(), binding("172.24.0.1")),
                ])),
                ..HostConfig::default()
            }),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(
                    "lab-two".to_owned(),
                    EndpointSettings {
                        ipam_config: own_addresses(&EndpointSettings {
                            ip_address: Some("172.24.0.1".to_owned()),
                            ..EndpointSettings::default()
                        }),
                        ..EndpointSettings::default()
                    },
                )])),
            }),
            ..ContainerCreateBody::default()
        });
        let subnets = ["172.24.0.0/20", "172.24.16.0/20"].map(|subnet| subnet.parse().expect("a subnet"));
        let place = Place { image: "lab/cluster:b.c1", network: "lab-b", labels: &[("lab", "b")], subnets };
        let is = was.at(place, |ip| if ip.is_loopback() { ip } else { Ipv4Addr::new(172, 24, 16, 1) }).0;
        assert_eq!(is.hostname, was.0.hostname);
        assert_eq!(is.image.as_deref(), Some("lab/cluster:b.c1"));
        assert_eq!(is.env, Some(vec!["NO_PROXY=localhost,172.24.16.0/20".to_owned()]));
        let labels = is.labels.expect("labels");
        assert_eq!((labels["lab"].as_str(), labels["role"].as_str()), ("b", "node"));
        let host = is.host_config.expect("a host configuration");
        assert_eq!(host.network_mode.as_deref(), Some("lab-b"));
        let ports = host.port_bindings.expect("ports");
        assert_eq!((&ports["6443/tcp"], &ports["31443/tcp"]), (&binding("127.0.0.1"), &binding("172.24.16.1")));
        let endpoints = is.networking_config.and_then(|n| n.endpoints_config).expect("networks");
        let aliases = endpoints["lab-b"].aliases.as_deref().unwrap_or_default();
        assert_eq!((endpoints.len(), aliases), (1, &["two-c1-control-plane".to_owned()][..]));
        let address = endpoints["lab-b"].ipam_config.as_ref().and_then(|c| c.ipv4_address.as_deref());
        assert_eq!(address, Some("172.24.16.1"));
    }

    #[test]
    fn a_port_that_is_taken_is_published_elsewhere_and_one_that_is_free_stays() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port().to_string();
        let binding = || PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.clone()) };
        let mut one = binding();
        publish_anew(&mut one);
        assert_ne!(one.host_port.as_deref(), Some(port.as_str()));
        drop(taken);
        let mut other = binding();
        publish_anew(&mut other);
        assert_eq!(other, binding());
    }
}
