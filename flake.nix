{
  description = "kfw keeps the ports of Kubernetes clusters on localhost";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forAll = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      package = pkgs: let
        # What pyproject.toml leaves to the one who installs it: this package comes whole.
        extras = with pkgs.python3Packages; [ prometheus-client grpcio protobuf hpack hyperframe textual uvloop ];
      in pkgs.python3Packages.buildPythonApplication {
        pname = "kfw";
        version = "0.1.0";
        pyproject = true;
        src = self;
        build-system = [ pkgs.python3Packages.hatchling ];
        dependencies = with pkgs.python3Packages; [
          typer rich pyyaml sh docker msgspec h11 platformdirs cryptography
        ] ++ extras;
        # typer is pinned for the start-up time of commands; another one works
        pythonRelaxDeps = [ "typer" ];
        doCheck = false;
        pythonImportsCheck = [ "kfw" ];
        meta.mainProgram = "kfw";
      };

      # The names are those of kfw's configuration: tests/config/test_flake.py compares them with its schema.
      settingsOptions = lib: yaml:
        let
          option = type: description: lib.mkOption {
            inherit description;
            type = lib.types.nullOr type;
            default = null;
          };
          text = option lib.types.str;
        in {
          daemon = {
            logLevel = option (lib.types.enum [ "debug" "info" "warn" "error" ]) "What is logged.";
            metricsListen = text "Address and port of a metrics page, such as 127.0.0.1:9464.";
            notices = option lib.types.bool "Tell on the desktop when forwards are lost.";
          };
          defaults = {
            context = text "The context of forwards that name none.";
            namespace = text "The namespace of forwards that name none.";
            kubeconfig = text "Path of a kubeconfig.";
            method = text "The way to get there: auto, tunnel, nodeport, ...";
            address = text "Where ports are opened.";
            hold = text "How long a connection waits for a way, such as 30s.";
            onPortInUse = option (lib.types.enum [ "error" "next" ]) "What to do when a local port is taken.";
          };
          portForwards = option (lib.types.attrsOf yaml) "The forwards, by name.";
          profiles = option (lib.types.attrsOf yaml) "Sets of forwards that are switched together, by name.";
        };

      # Nothing that was not said is written: kfw has its own defaults.
      said = lib: value:
        if builtins.isAttrs value
        then lib.filterAttrs (_: inner: inner != null && inner != { }) (lib.mapAttrs (_: said lib) value)
        else value;

      serviceOptions = { lib, pkgs }: {
        enable = lib.mkEnableOption "kfw, which keeps the ports of Kubernetes clusters on localhost";
        package = lib.mkOption {
          type = lib.types.package;
          default = package pkgs;
          description = "The kfw that runs.";
        };
        path = lib.mkOption {
          type = lib.types.listOf lib.types.package;
          default = [ pkgs.kubectl ];
          description = "What the daemon finds on PATH: kubectl, login plugins.";
        };
        environment = lib.mkOption {
          type = lib.types.attrsOf lib.types.str;
          default = { };
          description = "Variables of the service; no secrets, as the store is readable by everybody.";
        };
      };

      service = { lib, config }: {
        Type = "notify";
        ExecStart = "${config.package}/bin/kfw serve --to-log-file";
        ExecReload = "/bin/sh -c 'kill -HUP $MAINPID'";
        Restart = "on-failure";
        RestartSec = 5;
        WatchdogSec = 30;
        TimeoutStopSec = 20;
        UMask = "0077";
        Environment =
          [ "PATH=${lib.makeBinPath config.path}:/run/current-system/sw/bin:/usr/bin:/bin" ]
          ++ lib.mapAttrsToList (name: value: "${name}=${value}") config.environment;
      };
    in {
      packages = forAll (pkgs: { default = package pkgs; });

      homeManagerModules.default = { config, lib, pkgs, ... }:
        let
          format = pkgs.formats.yaml { };
          kfw = config.services.kfw;
          kubefwd = config.services.kubefwd-daemon;
        in {
          # The daemon for kubefwd has these two: a configuration of it holds for kfw as it is.
          options.services.kubefwd-daemon = {
            enable = lib.mkEnableOption "kfw, with these profiles";
            profiles = lib.mkOption {
              type = lib.types.attrsOf format.type;
              default = { };
              description = "The same as services.kfw.settings.profiles.";
            };
          };
          options.services.kfw = serviceOptions { inherit lib pkgs; } // {
            settings = lib.mkOption {
              type = lib.types.submodule { options = settingsOptions lib format.type; };
              default = { };
              description = "~/.config/kfw/config.yaml; `kfw up` brings what is in it.";
            };
          };
          config = lib.mkMerge [
            (lib.mkIf kubefwd.enable {
              services.kfw = {
                enable = true;
                settings.profiles = kubefwd.profiles;
              };
            })
            (lib.mkIf kfw.enable {
              home.packages = [ kfw.package ];
              xdg.configFile."kfw/config.yaml".source = format.generate "kfw.yaml" (said lib kfw.settings);
              systemd.user.services.kfw = lib.mkIf pkgs.stdenv.isLinux {
                Unit = {
                  Description = "kfw keeps the ports of Kubernetes clusters on localhost";
                  After = [ "network-online.target" ];
                };
                Service = service { inherit lib; config = kfw; };
                Install.WantedBy = [ "default.target" ];
              };
              launchd.agents.kfw = lib.mkIf pkgs.stdenv.isDarwin {
                enable = true;
                config = {
                  Label = "dev.kfw.daemon";
                  ProgramArguments = [ "${kfw.package}/bin/kfw" "serve" "--to-log-file" ];
                  RunAtLoad = true;
                  KeepAlive = { SuccessfulExit = false; Crashed = true; };
                  ProcessType = "Background";
                  EnvironmentVariables = { PATH = lib.makeBinPath kfw.path + ":/usr/bin:/bin"; } // kfw.environment;
                };
              };
            })
          ];
        };

      # A service of each user of the machine; what is forwarded is in each user's own config.
      nixosModules.default = { config, lib, pkgs, ... }:
        let kfw = config.services.kfw;
        in {
          options.services.kfw = serviceOptions { inherit lib pkgs; };
          config = lib.mkIf kfw.enable {
            environment.systemPackages = [ kfw.package ];
            systemd.user.services.kfw = {
              description = "kfw keeps the ports of Kubernetes clusters on localhost";
              wantedBy = [ "default.target" ];
              after = [ "network-online.target" ];
              serviceConfig = service { inherit lib; config = kfw; };
            };
          };
        };
    };
}
