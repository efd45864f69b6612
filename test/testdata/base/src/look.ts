import { tool } from '@aria/sdk'

declare const Bun: {
  file(path: string): { exists(): Promise<boolean>, text(): Promise<string> }
  write(path: string, text: string): Promise<number>
  version: string
}

/** Looks at what the base has put into the container. */
export class Look {
  /** The content of a file, or null. */
  @tool() async read(path: string): Promise<string | null> {
    const f = Bun.file(path)
    return await f.exists() ? await f.text() : null
  }

  /** Whether one may write there. */
  @tool() async write(path: string): Promise<boolean> {
    try {
      await Bun.write(path, 'x')
      return true
    } catch {
      return false
    }
  }

  @tool() async bun(): Promise<string> { return Bun.version }
}
