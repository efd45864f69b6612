package daemon

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/aria/agency"
	"github.com/ariacomputecompany/firmware/internal/datadir"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Config is all there is to set. The file is TOML with the names below; flags
// win over it. Nothing is needed to start.
type Config struct {
	// Data holds everything: aria/ (ours), quilt/ (quiltd's), run/ (the socket).
	Data string `toml:"data"`
	// Listen is the public address. There is no TLS: keep it on loopback, or
	// behind something that has.
	Listen string `toml:"listen"`
	// Socket of quiltd; empty: DATA/run/quilt.sock.
	Socket string `toml:"socket"`
	// Firmware is the socket on which the machine's init takes updates; empty
	// where ariad does not run on Aria's own image.
	Firmware string `toml:"firmware"`
	// Quiltd is the program that `up` starts; empty: beside ariad, or in PATH.
	Quiltd string `toml:"quiltd"`
	// AllowDegraded is handed to the quiltd that `up` starts: what it may do without
	// where it is not root, "cgroups,ids" (docs/spec/rootless.md).
	AllowDegraded string `toml:"allow_degraded"`
	// Bun is handed to quiltd; empty: quiltd looks for it.
	Bun string `toml:"bun"`
	// Tools and Agents bound what runs at once; more wait their turn.
	Tools  int `toml:"tools"`
	Agents int `toml:"agents"`
	// Pipelines bounds what runs at once of them; one that waits does not count.
	Pipelines int `toml:"pipelines"`
	// Grace is how long runs may go on after SIGTERM.
	Grace duration `toml:"grace"`
	// LogFormat is "text" or "json": one object a line.
	LogFormat string `toml:"log_format"`
	// Telemetry says where traces go.
	Telemetry telemetryConfig `toml:"telemetry"`
	// Journal says how long ended runs are kept.
	Journal journalConfig `toml:"journal"`
	// Trust says which bundles are taken in.
	Trust trustConfig `toml:"trust"`
	// ModelsFile says which providers agents and units may name before the colon;
	// quiltd reads the same one. Empty: DATA/models.toml. It need not be there.
	ModelsFile string `toml:"models_file"`
	// Models are providers for agents alone; they win over the file's.
	Models llm.Catalog `toml:"models"`
	// Resident is the agent "firmware", which every ariad has.
	Resident agency.Resident `toml:"resident"`

	file string // absolute; the one that --config named, or ""
}

// trustConfig: by default ariad takes in what whoever holds the credential
// uploads, signed or not.
type trustConfig struct {
	// Require refuses uploads that the trust file does not let pass.
	Require bool `toml:"require"`
	// File is the trust file, as "arc trust" writes it; empty: DATA/trust.toml.
	// It is read anew at every upload.
	File string `toml:"file"`
}

type telemetryConfig struct {
	// OTLP is the base address of a collector that takes OTLP over HTTP, such as
	// http://127.0.0.1:4318; empty: no traces. No input, output or secret is sent.
	OTLP string `toml:"otlp"`
}

type journalConfig struct {
	// Keep is how long a run stays after its end, with all that it called; open
	// runs stay whatever their age. 0s: for ever.
	Keep duration `toml:"keep"`
	// MaxBytes is what the journal may take; beyond it the oldest ended runs go
	// earlier. 0: no bound.
	MaxBytes int64 `toml:"max_bytes"`
}

// defaults of everything.
func defaults() Config {
	return Config{
		Data: datadir.Usual(), Listen: "127.0.0.1:7600",
		Tools: 64, Agents: 128, Pipelines: 64, Grace: duration(10 * time.Second),
		LogFormat: "text", Journal: journalConfig{Keep: duration(30 * 24 * time.Hour)},
		Models: llm.DefaultCatalog(),
	}
}

type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = duration(v)
	return err
}

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// parse reads flags, and the file where there is one.
func parse(args []string, stderr io.Writer) (cfg Config, print bool, err error) {
	cfg = defaults()
	var flags Config
	var file string
	fs := flag.NewFlagSet("ariad", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&file, "config", "", "configuration file (default DATA/ariad.toml, if there is one)")
	fs.StringVar(&flags.Data, "data", "", "data folder (default "+cfg.Data+")")
	fs.StringVar(&flags.Listen, "listen", "", "public address (default "+cfg.Listen+")")
	fs.StringVar(&flags.Socket, "socket", "", "socket of quiltd (default DATA/run/quilt.sock)")
	fs.StringVar(&flags.Firmware, "firmware", "", "socket of the machine's update service (only on Aria's own image)")
	fs.StringVar(&flags.AllowDegraded, "allow-degraded", "", "what quiltd may do without where up is not root: cgroups,ids")
	fs.StringVar(&flags.Quiltd, "quiltd", "", "the quiltd program that up starts")
	fs.StringVar(&flags.Bun, "bun", "", "the bun program, handed to quiltd")
	fs.StringVar(&flags.LogFormat, "log-format", "", "text or json (default "+cfg.LogFormat+")")
	fs.BoolVar(&print, "print-config", false, "print what holds and exit")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return cfg, false, err
		}
		return cfg, false, fault.Wrap(err, fault.Invalid, "wrong flags").WithHint("see ariad -h")
	}
	if fs.NArg() > 0 {
		return cfg, false, fault.New(fault.Invalid, "%q was not expected", fs.Arg(0)).WithHint("flags come after the command: ariad up --data DIR")
	}
	if err := cfg.read(file, flags.Data); err != nil {
		return cfg, false, err
	}
	for _, o := range []struct{ to, from *string }{{&cfg.Data, &flags.Data}, {&cfg.Listen, &flags.Listen},
		{&cfg.Socket, &flags.Socket}, {&cfg.Firmware, &flags.Firmware},
		{&cfg.Quiltd, &flags.Quiltd}, {&cfg.AllowDegraded, &flags.AllowDegraded}, {&cfg.LogFormat, &flags.LogFormat}, {&cfg.Bun, &flags.Bun}} {
		if *o.from != "" {
			*o.to = *o.from
		}
	}
	return cfg, print, cfg.check()
}

// read takes in the file; only one that was named must be there.
func (c *Config) read(file, data string) error {
	named := file != ""
	if named {
		abs, err := filepath.Abs(file)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "configuration %s", file)
		}
		c.file = abs
	}
	if !named {
		if data == "" {
			data = c.Data
		}
		file = filepath.Join(data, "ariad.toml")
	}
	meta, err := toml.DecodeFile(file, c)
	if !named && errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		return fault.New(fault.Invalid, "%s:%d: %s", file, syntax.Position.Line, syntax.Message).WithHint("see ariad -print-config for every name")
	case err != nil:
		return fault.Wrap(err, fault.Invalid, "configuration %s cannot be read", file)
	}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return fault.New(fault.Invalid, "%s: unknown setting %q", file, odd[0]).WithHint("see ariad -print-config for every name")
	}
	for name, p := range llm.DefaultCatalog() {
		if _, ok := c.Models[name]; !ok {
			c.Models[name] = p
		}
	}
	return nil
}

func (c *Config) check() error {
	abs, err := filepath.Abs(c.Data)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "data folder %s", c.Data)
	}
	c.Data = abs
	if c.Socket == "" {
		c.Socket = filepath.Join(c.Data, "run", "quilt.sock")
	}
	if c.Trust.File == "" {
		c.Trust.File = filepath.Join(c.Data, "trust.toml")
	}
	if c.ModelsFile == "" {
		c.ModelsFile = filepath.Join(c.Data, "models.toml")
	}
	if c.Socket, err = filepath.Abs(c.Socket); err != nil {
		return fault.Wrap(err, fault.Invalid, "socket %s", c.Socket)
	}
	switch {
	case !filepath.IsAbs(c.ModelsFile):
		return fault.New(fault.Invalid, "models_file %q is not an absolute path", c.ModelsFile).WithHint("write it from / on")
	case !filepath.IsAbs(c.Trust.File):
		return fault.New(fault.Invalid, "trust.file %q is not an absolute path", c.Trust.File).WithHint("write it from / on")
	case len(c.Socket) > 107:
		return fault.New(fault.Invalid, "the socket path %s has more than 107 bytes, which Linux refuses", c.Socket).
			WithHint("choose a shorter data folder")
	case c.LogFormat != "text" && c.LogFormat != "json":
		return fault.New(fault.Invalid, "%q is no format of the log", c.LogFormat).WithHint("write text or json")
	case c.Telemetry.OTLP != "" && !strings.HasPrefix(c.Telemetry.OTLP, "http://") && !strings.HasPrefix(c.Telemetry.OTLP, "https://"):
		return fault.New(fault.Invalid, "telemetry.otlp %q is no address of a collector", c.Telemetry.OTLP).WithHint("write http://host:4318")
	case c.Journal.Keep < 0 || c.Journal.MaxBytes < 0:
		return fault.New(fault.Invalid, "journal.keep and journal.max_bytes must not be negative").WithHint("0 keeps everything")
	case c.Tools < 1 || c.Agents < 1 || c.Pipelines < 1:
		return fault.New(fault.Invalid, "tools and agents must be at least 1")
	}
	return nil
}

func (c *Config) print(w io.Writer) error {
	return toml.NewEncoder(w).Encode(c)
}

// own is the folder of ariad itself.
func (c *Config) own() string { return filepath.Join(c.Data, "aria") }

func (c *Config) credential() string { return filepath.Join(c.own(), "credential") }
