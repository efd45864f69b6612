declare module 'node:http' { const m: any; export default m; }
