// The few things of Bun that the harness uses and units are not shown.
declare const Bun: {
  connect(options: object): Promise<unknown>;
  plugin(plugin: object): void;
  sleepSync(ms: number): void;
};
declare const process: {
  argv: string[];
  env: Record<string, string | undefined>;
  exit: (code?: number) => never;
  reallyExit(code: number): never;
  on(event: string, listener: (arg: any) => void): void;
  off(event: string, listener: (arg: any) => void): void;
};
declare const require: { (file: string): any; cache: Record<string, unknown> };
