import { Agent, agent, Pipeline, pipeline, step, TerminalError, use } from '@aria/sdk';
import { Library } from './library';

/** Reads one source. Its budget is its own: one long text cannot eat the others' share. */
@agent({ model: 'local:planner', tools: [Library.prototype.read], maxSteps: 3, budget: { tokens: 8_000, time: '30s' } })
export class Reader extends Agent<{ request: string }, string> {
  instructions = 'Read the source that you are asked for and give back what it says.';
}

export interface Report {
  topic: string;
  sources: number;
  /** The words that most sources use. */
  words: string[];
  notes: string[];
}

/** Map and reduce: every source is read by an agent of its own, many at a time. */
@pipeline()
export class Study extends Pipeline<{ topic: string }, Report> {
  private readonly library = use(Library);
  private readonly reader = use(Reader);

  @step()
  async find(ask: { topic: string }): Promise<string[]> {
    const sources = await this.library.on(ask.topic);
    if (sources.length === 0) throw new TerminalError(`the library has nothing on ${ask.topic}`);
    return sources;
  }

  @step()
  async topic(ask: { topic: string }): Promise<string> {
    return ask.topic;
  }

  // Runs once for each source. One that fails is tried again; what is read is kept.
  @step({ after: ['find'], each: 'find', retries: 2 })
  async read(source: string): Promise<string> {
    return this.reader.run({ request: `read the source "${source}"` });
  }

  @step({ after: ['topic', 'read'] })
  async reduce(topic: string, notes: string[]): Promise<Report> {
    return { topic, sources: notes.length, words: common(notes), notes };
  }
}

/** The words of four letters and more that stand in most texts, in order of the alphabet. */
export function common(texts: string[]): string[] {
  const seen = new Map<string, number>();
  for (const text of texts) {
    for (const word of new Set(text.toLowerCase().match(/[a-z]{4,}/g) ?? [])) seen.set(word, (seen.get(word) ?? 0) + 1);
  }
  return [...seen].filter(([, n]) => n > texts.length / 2).map(([word]) => word).sort();
}
