# A stand-in for nixpkgs: the names that ../../../flake.nix uses and no more, with derivations that are never built.
# versions.json beside it is written by the test.
{
  outputs =
    { self }:
    let
      versions = builtins.fromJSON (builtins.readFile ./versions.json);
      genAttrs =
        names: f:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = f name;
          }) names
        );
    in
    {
      lib = {
        inherit genAttrs;
        licenses.asl20.spdxId = "Apache-2.0";
        splitString = separator: text: builtins.filter builtins.isString (builtins.split separator text);
        removePrefix =
          prefix: text:
          let
            length = builtins.stringLength prefix;
          in
          if builtins.substring 0 length text == prefix then builtins.substring length (-1) text else text;
        warnIf = condition: message: value: if condition then builtins.trace "warning: ${message}" value else value;
        makeBinPath = packages: builtins.concatStringsSep ":" (map (package: "${package}/bin") packages);
        cleanSourceWith =
          {
            src,
            filter,
            name,
          }:
          builtins.path {
            inherit filter name;
            path = src;
          };
      };

      legacyPackages = genAttrs [ "x86_64-linux" "aarch64-linux" ] (
        system:
        let
          package =
            name:
            let
              version = versions.${name} or "1";
            in
            derivation {
              inherit system version;
              name = "${name}-${version}";
              builder = "/never-built";
            };
        in
        {
          inherit system;
          symlinkJoin =
            {
              name,
              paths,
              postBuild,
              nativeBuildInputs,
              meta,
            }:
            derivation {
              inherit
                system
                name
                paths
                postBuild
                nativeBuildInputs
                ;
              builder = "/never-built";
            }
            // {
              inherit meta;
            };
        }
        // genAttrs [
          "cargo-deny"
          "cargo-nextest"
          "docker-client"
          "go"
          "istioctl"
          "kind"
          "kubectl"
          "makeWrapper"
          "nixfmt-tree"
        ] package
      );
    };
}
