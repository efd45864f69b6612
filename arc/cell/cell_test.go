package cell

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Word {
		os.Exit(Enter())
	}
	os.Exit(m.Run())
}

const write = `const say = (v) => require('node:fs').writeSync(3, JSON.stringify(v)); `

func TestRun(t *testing.T) {
	bun := testenv.Bun(t)
	for _, c := range []struct{ shows, module, want string }{
		{"a module runs and writes", write + `say({n: [1, 2].map((x) => x * 2)})`, `{"n":[2,4]}`},
		{"it knows nothing of its surroundings", write + `say([Object.keys(process.env).filter((k) => !/^(BUN_|DO_NOT)/.test(k)), process.getuid(), process.pid])`, `[[],0,1]`},
		{"its root holds libraries and itself", write + `say(require('node:fs').readdirSync('/').filter((f) => !/^lib/.test(f)).sort())`, `["module.mjs","proc","tmp"]`},
		{"it can write no file", write + `try { require('node:fs').writeFileSync('/x', 'x'); say('wrote') } catch (e) { say(e.code) }`, `"EROFS"`},
		{"it can start nothing", write + `try { Bun.spawnSync(['/module.mjs']); say('started') } catch (e) { say('no') }`, `"no"`},
		{"it reaches nobody", write + `try { await fetch('http://127.0.0.1:80/'); say('reached') } catch (e) { say('no') }`, `"no"`},
		{"it has no capability and a filter", write + `
			const status = require('node:fs').readFileSync('/proc/self/status', 'utf8');
			say(['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp'].map((k) => Number(status.match(new RegExp(k + ':\\s*(\\w+)'))[1])))`, `[0,0,0,0,0,1,2]`},
	} {
		got, err := Run(context.Background(), Request{Bun: bun, Module: []byte(c.module)})
		if err != nil || string(got) != c.want {
			var f *Failed
			if errors.As(err, &f) {
				t.Log(f.Said)
			}
			t.Errorf("%s: got %s, want %s, %v", c.shows, got, c.want, err)
		}
	}
}

func TestFailures(t *testing.T) {
	bun := testenv.Bun(t)
	for _, c := range []struct{ shows, module, why, said string }{
		{"an error", `throw new TypeError('no such field')`, "ended with code 1", "no such field"},
		{"too much", `const b = Buffer.alloc(1 << 20); for (let i = 0; i < 20; i++) require('node:fs').writeSync(3, b)`, "wrote more than 8 MiB", ""},
		{"no end", `for (;;);`, "was ended", ""},
		{"too much memory", `const l = []; for (;;) l.push(new Uint8Array(64 << 20).fill(1))`, "ended", ""},
	} {
		_, err := Run(context.Background(), Request{Bun: bun, Module: []byte(c.module)})
		var f *Failed
		if !errors.As(err, &f) || !strings.Contains(f.Why, c.why) || !strings.Contains(f.Said, c.said) {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, Request{Bun: testenv.Bun(t), Module: []byte(`0`)}); err == nil {
		t.Error("a stopped run gave no error")
	}
}
