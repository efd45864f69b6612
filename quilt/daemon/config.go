// Package daemon is quiltd: its configuration, the launcher side that starts as
// root, and the engine side that it re-executes without privilege, wired
// together by hand. It holds no logic of its own.
package daemon

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/internal/datadir"
	"github.com/ariacomputecompany/firmware/internal/fault"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// Config is all that can be set, by file or flag; flags win.
type Config struct {
	// Data is the folder that holds everything that outlives quiltd. Users other
	// than root must be able to pass through the folders above it.
	Data string `toml:"data"`
	// Socket is where the API listens. Default: Data/run/quilt.sock when Data is
	// given, else /run/quilt/quilt.sock.
	Socket string `toml:"socket"`
	// Bun is the runtime's binary. Default: $ARIA_BUN, bun beside this binary,
	// bun on the PATH.
	Bun string `toml:"bun"`
	// Image is a ready-made image folder on a read-only file system, described
	// by IMAGE.json; empty: quiltd makes one from Bun. The boot image has one.
	Image string `toml:"image"`
	// Base is the name of an imported image (quiltd image import) that Bun, the
	// harness and the mount points are added to; empty: there is nothing else.
	Base string `toml:"base"`
	// Policy says which tenants may use what, and how much (docs/spec/policy.md).
	// It is read anew when it changes and on SIGHUP. Default: Data/policy.toml, if
	// there is one; without, everything that bundles ask for is allowed.
	Policy string `toml:"policy"`
	// Models is the models file: providers, prices and limits behind llm tokens.
	// Default: Data/models.toml. It need not be there; a change needs no restart.
	Models string `toml:"models"`
	// UID and GID are what the engine runs as. No account is needed.
	UID int `toml:"uid"`
	GID int `toml:"gid"`
	// Allow lists the users that may connect, besides root.
	Allow []uint32 `toml:"allow"`
	// SocketGID is the group that may open the socket.
	SocketGID int `toml:"socket_gid"`
	// MaxExecutions is how many may be live, waiting ones included.
	MaxExecutions int `toml:"max_executions"`
	// Parked is how many containers may wait, booted and empty, to be claimed by
	// the next executions: 4 MiB of memory each, and never more than an eighth of
	// what is free. They are made as they are needed. 0: every start is cold.
	Parked int `toml:"parked"`
	// Warm is how many of the codes that ran last are kept loaded, each in one more
	// parked container, so that the next run of that code need not load it. The top
	// level of the code then runs before its run, without tokens, input, clock or
	// chance; code that needs them there is not kept. Each may take 64 MiB. 0: none.
	Warm int `toml:"warm"`
	// JIT lets Bun make machine code. Without, units run several times slower, and no
	// memory of a container can become code: a wall for code that nobody has read.
	JIT bool `toml:"jit"`
	// ParkedQuiet is how long they wait without any execution.
	ParkedQuiet duration `toml:"parked_quiet"`
	// TenantItems and TenantBytes bound what one tenant may keep behind all its
	// tokens: keys, vectors, queue items, blobs and files. 0: no bound.
	TenantItems int64 `toml:"tenant_items"`
	TenantBytes int64 `toml:"tenant_bytes"`
	// Startup is how long a container may take until its harness is up.
	Startup duration `toml:"startup"`
	// Grace is how long live executions may go on when quiltd stops.
	Grace duration `toml:"grace"`
	// AllowDegraded is what quiltd may do without when it is not started as root:
	// "cgroups", "ids" (docs/spec/rootless.md). What is missing and not allowed is
	// refused at start, and what is missing is said on every run.
	AllowDegraded []string `toml:"allow_degraded"`
	// LogFormat is "text" or "json": one object a line.
	LogFormat string `toml:"log_format"`
	// Net is what the operator says of the way out of containers.
	Net egress.Config `toml:"net"`
	// Secret says where the credentials' identity is.
	Secret secretConfig `toml:"secret"`
}

type secretConfig struct {
	// Identity is a file with one age X25519 identity that the engine's user can
	// read; empty: Data/quilt/secrets.key, made at the first start.
	Identity string `toml:"identity"`
}

func defaults() Config {
	return Config{
		Data: datadir.Usual(), UID: 64102, GID: 64102, Allow: []uint32{64101}, SocketGID: 64101,
		MaxExecutions: 256, Parked: 16, JIT: true, ParkedQuiet: duration(30 * time.Second),
		TenantItems: 10_000_000, TenantBytes: 20 << 30, Startup: duration(15 * time.Second), Grace: duration(10 * time.Second), LogFormat: "text",
	}
}

// duration is a time.Duration that reads and prints as "10s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// parse reads flags and the file they name. print says that the user only wants
// to see what holds.
func parse(args []string, usage io.Writer) (cfg Config, print bool, err error) {
	cfg = defaults()
	var file, data, socket, bun, image, base, policy, models string
	fs := flag.NewFlagSet("quiltd", flag.ContinueOnError)
	fs.SetOutput(usage)
	fs.Usage = func() {
		fmt.Fprint(usage, "quiltd [flags]          serve\nquiltd restart [flags]  replace the engine that works on the data folder; nothing that runs is lost\n"+
			"quiltd gc [flags]       remove what crashes left\nquiltd plan [net]       print what a container is made of\n"+
			"quiltd image COMMAND    build, import, ls, verify or rm what containers run in\nquiltd version\n\nflags:\n")
		fs.PrintDefaults()
	}
	fs.StringVar(&file, "config", "", "TOML `file` (default DATA/quiltd.toml, if there is one)")
	fs.StringVar(&data, "data", "", "data `folder`")
	fs.StringVar(&socket, "socket", "", "`path` of the API's socket")
	fs.StringVar(&bun, "bun", "", "`path` of the bun binary")
	fs.StringVar(&models, "models", "", "models `file` (default DATA/models.toml)")
	fs.StringVar(&image, "image", "", "ready-made image `folder` on a read-only file system")
	fs.StringVar(&base, "base", "", "`name` of an imported image to run in (quiltd image import)")
	fs.StringVar(&policy, "policy", "", "policy `file` (default DATA/policy.toml, if there is one)")
	format := fs.String("log-format", "", "text or json (default text)")
	parked := fs.Int("parked", -1, "containers that may wait, booted and empty, for the next executions; 0: none (default 16)")
	warm := fs.Int("warm", -1, "codes that are kept loaded for their next run; 0: none (default 0)")
	degraded := fs.String("allow-degraded", "", "what may be missing without root: cgroups, ids (`LIST` with commas)")
	fs.BoolVar(&print, "print-config", false, "print the configuration that holds, and end")
	if err := fs.Parse(args); err != nil {
		return cfg, false, err
	}
	if fs.NArg() > 0 {
		return cfg, false, fault.New(fault.Invalid, "quiltd takes no argument %q", fs.Arg(0)).WithHint("see quiltd -help")
	}
	if file == "" {
		file = ownFile(data, cfg.Data)
	}
	if file != "" {
		if err := readFile(file, &cfg); err != nil {
			return cfg, false, err
		}
	}
	for _, o := range []struct{ to, from *string }{{&cfg.Data, &data}, {&cfg.Socket, &socket}, {&cfg.Bun, &bun}, {&cfg.Image, &image}, {&cfg.Base, &base}, {&cfg.Policy, &policy}, {&cfg.Models, &models}} {
		if *o.from != "" {
			*o.to = *o.from
		}
	}
	if *format != "" {
		cfg.LogFormat = *format
	}
	if cfg.LogFormat != "text" && cfg.LogFormat != "json" {
		return cfg, false, fault.New(fault.Invalid, "%q is no format of the log", cfg.LogFormat).WithHint("write text or json")
	}
	if *degraded != "" {
		cfg.AllowDegraded = strings.Split(*degraded, ",")
	}
	for _, d := range cfg.AllowDegraded {
		if !slices.Contains(sandbox.Degradable, d) {
			return cfg, false, fault.New(fault.Invalid, "allow_degraded: there is no %q", d).WithHint("write %s", strings.Join(sandbox.Degradable, " or "))
		}
	}
	if *parked >= 0 {
		cfg.Parked = *parked
	}
	if cfg.Parked < 0 || cfg.Parked > 1024 {
		return cfg, false, fault.New(fault.Invalid, "parked is %d; it may be 0 to 1024", cfg.Parked).WithHint("each takes about 4 MiB of memory")
	}
	if *warm >= 0 {
		cfg.Warm = *warm
	}
	if cfg.Warm < 0 || cfg.Warm > 256 {
		return cfg, false, fault.New(fault.Invalid, "warm is %d; it may be 0 to 256", cfg.Warm).WithHint("each may take 64 MiB of memory")
	}
	if cfg.Image != "" && cfg.Base != "" {
		return cfg, false, fault.New(fault.Invalid, "image and base cannot both be set").WithHint("image is ready-made; base is what quiltd makes one on")
	}
	return cfg.resolved(), print, nil
}

// ownFile is the configuration in the data folder, or "".
func ownFile(given, usual string) string {
	if given == "" {
		given = usual
	}
	file := filepath.Join(given, "quiltd.toml")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

func readFile(path string, cfg *Config) error {
	meta, err := toml.DecodeFile(path, cfg)
	if os.IsNotExist(err) {
		return fault.New(fault.NotFound, "there is no configuration file %s", path).WithHint("quiltd needs none; leave -config out")
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "configuration %s: %v", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fault.New(fault.Invalid, "configuration %s: unknown setting %q", path, unknown[0].String()).
			WithHint("quiltd -print-config shows every setting")
	}
	return nil
}

// resolved fills what follows from other settings.
func (c Config) resolved() Config {
	if c.Socket == "" {
		c.Socket = "/run/quilt/quilt.sock"
		if c.Data != datadir.System {
			c.Socket = filepath.Join(c.Data, "run", "quilt.sock")
		}
	}
	if abs, err := filepath.Abs(c.Data); err == nil {
		c.Data = abs
	}
	if c.Policy == "" {
		c.Policy = filepath.Join(c.Data, "policy.toml")
	}
	if abs, err := filepath.Abs(c.Policy); err == nil {
		c.Policy = abs
	}
	if abs, err := filepath.Abs(c.Socket); err == nil {
		c.Socket = abs
	}
	if c.Models == "" {
		c.Models = filepath.Join(c.Data, "models.toml")
	}
	if abs, err := filepath.Abs(c.Models); err == nil {
		c.Models = abs
	}
	return c
}

func (c Config) print(w io.Writer) error {
	if err := toml.NewEncoder(w).Encode(c); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// logger writes what operators read: text, or one JSON object a line.
func logger(format string, to io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}
