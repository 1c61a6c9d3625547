{
  description = "Real multicluster Istio meshes on kind from one scenario file";

  # The network is needed for these inputs, for the crates in Cargo.lock, and for whatever of nixpkgs is in no store at hand: for everything
  # but evaluation with stand-ins for the inputs, which is what tests/flake.rs does. flake.lock is still missing for the same reason: the first
  # `nix build` where GitHub can be reached writes it, and it should then be committed.
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    crane.url = "github:ipetkov/crane";
  };

  outputs =
    { nixpkgs, crane, ... }:
    let
      inherit (nixpkgs) lib;

      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # Versions are pinned in stack/stack.yaml and nowhere else. Nix cannot read YAML, so its lines `NAME: { version: VERSION, ...` are.
      stackLines = lib.splitString "\n" (builtins.readFile ./stack/stack.yaml);
      pinned =
        name:
        let
          found = builtins.concatMap (
            line:
            let
              version = builtins.match " +${name}: \\{ version: \"?([^,} \"]+).*" line;
            in
            if version == null then [ ] else version
          ) stackLines;
        in
        if builtins.length found == 1 then
          builtins.head found
        else
          throw "stack/stack.yaml has ${toString (builtins.length found)} lines `${name}: { version: ...`, not 1";
      toolVersions = lib.genAttrs [
        "kind"
        "istioctl"
        "kubectl"
      ] pinned;

      # A tool of nixpkgs with another version than the pinned one is no error: lab takes it if it will do, and else downloads or builds the pinned one.
      checked =
        name: package:
        let
          wanted = lib.removePrefix "v" toolVersions.${name};
        in
        lib.warnIf (package.version != wanted)
          "nixpkgs has ${name} ${package.version}, stack/stack.yaml pins ${wanted}: lab will use it only if it will do"
          package;

      # What Cargo, build.rs and the tests need. ./. is what git tracks; a change of the documentation rebuilds nothing.
      source = lib.cleanSourceWith {
        name = "lab-source";
        src = ./.;
        filter =
          path: _:
          builtins.elem (builtins.head (lib.splitString "/" (lib.removePrefix "${toString ./.}/" path))) [
            ".config"
            "Cargo.lock"
            "Cargo.toml"
            "build.rs"
            "clippy.toml"
            "deny.toml"
            "examples"
            "labs"
            "rustfmt.toml"
            "scenarios"
            "src"
            "stack"
            "tests"
          ];
      };

      outputsFor =
        system:
        let
          pkgs = nixpkgs.legacyPackages.${system};
          craneLib = crane.mkLib pkgs;

          # What lab runs. A Docker engine has to be on the machine.
          runtimeTools = [
            (checked "kind" pkgs.kind)
            (checked "kubectl" pkgs.kubectl)
            (checked "istioctl" pkgs.istioctl)
            pkgs.docker-client
            pkgs.go
          ];

          commonArgs = {
            src = source;
            strictDeps = true;
          };
          # The one build of all dependencies, which everything below shares.
          withDependencies = commonArgs // {
            cargoArtifacts = craneLib.buildDepsOnly commonArgs;
          };

          lab-unwrapped = craneLib.buildPackage (
            withDependencies
            // {
              doCheck = false; # checks.nextest runs the tests
              meta = {
                description = "Real multicluster Istio meshes on kind from one scenario file";
                license = lib.licenses.asl20;
                mainProgram = "lab";
                platforms = systems;
              };
            }
          );

          lab = pkgs.symlinkJoin {
            name = "lab-${lab-unwrapped.version}";
            inherit (lab-unwrapped) meta;
            paths = [ lab-unwrapped ];
            nativeBuildInputs = [ pkgs.makeWrapper ];
            postBuild = ''
              wrapProgram $out/bin/lab --prefix PATH : ${lib.makeBinPath runtimeTools}
            '';
          };

          checks = {
            inherit lab;
            clippy = craneLib.cargoClippy (
              withDependencies // { cargoClippyExtraArgs = "--all-targets -- --deny warnings"; }
            );
            doc = craneLib.cargoDoc (withDependencies // { env.RUSTDOCFLAGS = "--deny warnings"; });
            fmt = craneLib.cargoFmt { src = source; };
            # Licences, bans and sources: advisories need the network.
            deny = craneLib.cargoDeny { src = source; };
            # Tests on labs need a Docker engine, those of this flake Nix, those of the documentation its pages: none is in a build's sandbox.
            nextest = craneLib.cargoNextest (
              withDependencies // { cargoNextestExtraArgs = "-E 'not binary(/^(docs|flake)$/)'"; }
            );
          };
        in
        {
          inherit checks;
          packages = {
            inherit lab lab-unwrapped;
            default = lab;
          };
          apps.default = {
            type = "app";
            program = "${lab}/bin/lab";
            inherit (lab) meta;
          };
          devShells.default = craneLib.devShell {
            inherit checks;
            packages = runtimeTools ++ [
              pkgs.cargo-nextest
              pkgs.cargo-deny
            ];
          };
          formatter = pkgs.nixfmt-tree;
        };

      perSystem = lib.genAttrs systems outputsFor;
      output = name: builtins.mapAttrs (_: outputs: outputs.${name}) perSystem;
    in
    {
      lib = { inherit toolVersions; };

      # What a host needs of which NixOS decides. Whatever else sets these limits goes first: NixOS has defaults of its own, which are higher.
      nixosModules.default =
        { lib, pkgs, ... }:
        {
          virtualisation.docker.enable = lib.mkDefault true;
          boot.kernel.sysctl = {
            "fs.inotify.max_user_instances" = lib.mkOverride 1100 512;
            "fs.inotify.max_user_watches" = lib.mkOverride 1100 524288;
          };
          environment.systemPackages = [ perSystem.${pkgs.stdenv.hostPlatform.system}.packages.lab ];
        };

      packages = output "packages";
      apps = output "apps";
      devShells = output "devShells";
      formatter = output "formatter";
      checks = output "checks";
    };
}
