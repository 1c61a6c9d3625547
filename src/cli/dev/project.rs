//! What the command line says of a directory, and what is in it.

use std::path::Path;

use super::super::{CliError, args, output};
use crate::commands::dev::{Project, is_image_name};
use crate::images::context::{DOCKERFILE, Recipe};
use crate::plan::Lab;
use crate::sys::fs;

/// Where manifests are if nothing is said.
const MANIFESTS: [&str; 2] = ["k8s", "manifests"];

/// What is to be developed.
pub(super) fn project(args: &args::Dev, lab: &Lab) -> Result<Project, CliError> {
    let wrong = |problem: String, remedy: &str| CliError::Usage { problem, remedy: remedy.to_owned() };
    let shown = args.directory.display();
    if !fs::is_dir(&args.directory) {
        return Err(wrong(format!("{shown} is no directory"), "name the directory of what you develop"));
    }
    let directory = fs::canonical(&args.directory);
    let clusters = output::app_clusters(lab, &args.clusters)?;
    let recipe = match &args.binary {
        Some(binary) => {
            let inside = inside(&directory, binary)?;
            Recipe::Program { path: inside.into(), base: args.base.clone() }
        }
        None if fs::is_file(&directory.join(DOCKERFILE)) => {
            inside(&directory, Path::new(DOCKERFILE))?;
            Recipe::Dockerfile
        }
        None => {
            return Err(wrong(
                format!("{shown} has no {DOCKERFILE}"),
                "write one, or name a program that is the whole image by --binary",
            ));
        }
    };
    let name = directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let image = args.image.clone().unwrap_or(name);
    if !is_image_name(&image) {
        return Err(wrong(
            format!("`{image}` cannot be the name of an image"),
            "give one by --image, of lower-case letters, digits and hyphens, and write it into the manifests",
        ));
    }
    let found: Vec<String> = if args.manifests.is_empty() {
        MANIFESTS.iter().filter(|name| fs::is_dir(&directory.join(name))).map(|name| (*name).to_owned()).collect()
    } else {
        args.manifests.clone()
    };
    if found.is_empty() {
        return Err(wrong(
            format!("{shown} has no directory {}", MANIFESTS.join(" or ")),
            "put the manifests there, or name them by --manifests",
        ));
    }
    let manifests = found.iter().map(|path| inside(&directory, Path::new(path))).collect::<Result<_, _>>()?;
    Ok(Project { directory, image, recipe, command: args.build.clone(), manifests, clusters })
}

/// A path of the command line as it is in the directory, without links.
fn inside(directory: &Path, path: &Path) -> Result<String, CliError> {
    let whole = directory.join(path);
    let there = fs::canonical(&whole);
    // What is not there yet is built.
    let relative = there.strip_prefix(directory).ok().filter(|relative| !has_parent(relative));
    match relative {
        Some(relative) if !relative.as_os_str().is_empty() => Ok(relative.to_string_lossy().into_owned()),
        _ => Err(CliError::Usage {
            problem: format!("{} is not in {}", path.display(), directory.display()),
            remedy: "nothing outside of the directory is used: name what is in it, relative to it".to_owned(),
        }),
    }
}

fn has_parent(path: &Path) -> bool {
    path.components().any(|part| part == std::path::Component::ParentDir)
}
