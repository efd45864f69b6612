// The rival's side of bench-runtime: n journaled steps, one after the other.
// Node 20 does not have it yet, and the SDK wants it.
Promise.withResolvers ??= () => {
  const out = {};
  out.promise = new Promise((resolve, reject) => Object.assign(out, { resolve, reject }));
  return out;
};
const restate = await import('@restatedev/restate-sdk');

const bench = restate.service({
  name: 'bench',
  handlers: {
    steps: async (ctx, n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum = await ctx.run('step', () => sum + 1);
      return sum;
    },
  },
});

await restate.serve({ services: [bench], port: Number(process.argv[2]) });
