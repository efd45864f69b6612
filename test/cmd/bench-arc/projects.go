package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const files = 60 // of the large project

// project is one folder that all contenders build.
type project struct {
	dir     string
	entries []string // relative
}

// orders copies the example, so that it can be changed.
func orders(work string) (project, error) {
	p := project{dir: filepath.Join(work, "small")}
	if err := os.CopyFS(p.dir, os.DirFS("examples/orders")); err != nil {
		return p, err
	}
	names, err := filepath.Glob(filepath.Join(p.dir, "src", "*.ts"))
	if err != nil {
		return p, err
	}
	for _, n := range names {
		if !strings.HasSuffix(n, ".test.ts") {
			p.entries = append(p.entries, "src/"+filepath.Base(n))
		}
	}
	return p, p.config()
}

// generated writes a project of 60 modules, each of which uses every package.
func generated(work string) (project, error) {
	p := project{dir: filepath.Join(work, "large")}
	if err := os.MkdirAll(filepath.Join(p.dir, "src"), 0o755); err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "aria.toml"), []byte("name = \"large\"\nversion = \"1.0.0\"\n"), 0o644); err != nil {
		return p, err
	}
	for i := range files {
		name := fmt.Sprintf("src/m%02d.ts", i)
		p.entries = append(p.entries, name)
		next := fmt.Sprintf("m%02d", (i+1)%files)
		text := strings.NewReplacer("__N__", fmt.Sprintf("%02d", i), "__NEXT__", next, "__NEXTN__", next[1:]).Replace(module)
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
			return p, err
		}
	}
	return p, p.config()
}

const module = `import { kv, tool } from '@aria/sdk';
import { addDays, differenceInDays, format } from 'date-fns';
import type OpenAI from 'openai';
import { z } from 'zod';
import type { Record__NEXTN__ } from './__NEXT__.ts';

const Item = z.object({ id: z.string(), price: z.number(), tags: z.array(z.string()).default([]), kind: z.enum(['a', 'b', 'c']) });
type Item = z.infer<typeof Item>;

/** One record of module __N__. */
export interface Record__N__ {
  id: string;
  /** when it is due @format date-time */
  due: string;
  items: Item[];
  state: { kind: 'open' } | { kind: 'paid'; at: string; cents: number } | { kind: 'gone'; reason?: string };
  labels: Record<string, string>;
  next?: Pick<Record__NEXTN__, 'id' | 'due'>;
}

export class Service__N__ {
  readonly store = kv<Record__N__>('m__N__', 'rw');

  /** Find a record.
   *  @param id which one @minLength 1 */
  @tool() async get(id: string): Promise<Record__N__ | null> {
    return (await this.store.get(id)) ?? null;
  }

  /** Add a record. */
  @tool({ timeout: '5s' }) async add(record: Omit<Record__N__, 'next'>): Promise<{ id: string; days: number }> {
    const items = record.items.map((i) => Item.parse(i));
    await this.store.set(record.id, { ...record, items });
    return { id: record.id, days: differenceInDays(new Date(record.due), addDays(new Date(0), 1)) };
  }

  /** What a language model would be asked about it. */
  @tool() async prompt(id: string, tone: 'kind' | 'short' = 'kind'): Promise<{ role: string; text: string }[]> {
    const r = await this.store.get(id);
    const messages: OpenAI.Chat.Completions.ChatCompletionMessageParam[] = [
      { role: 'system', content: tone },
      { role: 'user', content: r ? format(new Date(r.due), 'yyyy-MM-dd') : id },
    ];
    return messages.map((m) => ({ role: m.role, text: typeof m.content === 'string' ? m.content : '' }));
  }

  /** Sum up. */
  @tool() async total(ids: string[], filter?: Partial<Pick<Item, 'kind' | 'price'>>): Promise<Map<string, number>> {
    const out = new Map<string, number>();
    for (const id of ids) {
      const r = await this.store.get(id);
      out.set(id, r?.items.filter((i) => !filter?.kind || i.kind === filter.kind).reduce((n, i) => n + i.price, 0) ?? 0);
    }
    return out;
  }
}
`

// config writes what tsc needs to see the project as arc does: the same target,
// libraries and strictness, and no skimping on what arc checks.
func (p project) config() error {
	sdk, err := filepath.Abs("sdk/dist")
	if err != nil {
		return err
	}
	c := map[string]any{
		"compilerOptions": map[string]any{
			"target": "es2022", "module": "esnext", "moduleResolution": "bundler",
			"lib": []string{"es2024", "esnext.disposable", "esnext.decorators"}, "types": []string{},
			"strict": true, "noEmit": true, "skipLibCheck": true, "esModuleInterop": true, "isolatedModules": true,
			"resolveJsonModule": true, "allowImportingTsExtensions": true,
			"paths": map[string][]string{"@aria/sdk": {sdk + "/index"}, "@aria/sdk/testing": {sdk + "/testing"}},
		},
		"files":   []string{sdk + "/aria-runtime.d.ts"},
		"include": []string{"src"}, "exclude": []string{"src/**/*.test.ts"},
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, "tsconfig.json"), text, 0o644)
}
