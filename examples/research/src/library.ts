import { kv, tool } from '@aria/sdk';

/** A text and where it is from. */
export interface Source {
  id: string;
  text: string;
}

/** What is there to read. */
export class Library {
  private readonly texts = kv<Source>('research/sources', 'rw');

  /** Puts a text into the library. */
  @tool()
  async add(id: string, text: string): Promise<void> {
    await this.texts.set(id, { id, text });
  }

  /** Reads one source of the library.
   * @param source its id, such as "tides-1" */
  @tool()
  async read(source: string): Promise<string> {
    const found = await this.texts.get(source);
    if (!found) throw new Error(`there is no source ${source}`);
    return found.text;
  }

  /** The ids of all sources on a topic. */
  @tool()
  async on(topic: string): Promise<string[]> {
    const ids: string[] = [];
    for await (const entry of this.texts.list({ prefix: topic })) ids.push(entry.key);
    return ids;
  }
}
