# A stand-in for crane: the functions that ../../../flake.nix uses, with derivations that keep their arguments and are never built.
{
  outputs =
    { self }:
    {
      mkLib =
        { system, ... }:
        let
          job =
            name: args:
            derivation {
              inherit system;
              name = "lab-${name}-0.1.0";
              builder = "/never-built";
              src = args.src or "";
              artifacts = args.cargoArtifacts or "";
            }
            // args
            // {
              version = "0.1.0";
            };
        in
        {
          buildDepsOnly = { src, strictDeps }@args: job "deps" args;
          buildPackage = { cargoArtifacts, ... }@args: job "package" args;
          cargoClippy = { cargoArtifacts, cargoClippyExtraArgs, ... }@args: job "clippy" args;
          cargoDoc = { cargoArtifacts, ... }@args: job "doc" args;
          cargoNextest = { cargoArtifacts, cargoNextestExtraArgs, ... }@args: job "nextest" args;
          cargoFmt = { src }@args: job "fmt" args;
          cargoDeny = { src }@args: job "deny" args;
          devShell = { checks, packages }@args: job "shell" { } // args;
        };
    };
}
