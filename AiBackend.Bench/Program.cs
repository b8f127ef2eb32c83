using AiBackend.Bench;
using AiBackend.Bench.Direct;

if (args is ["serve-direct", ..])
{
    await DirectServer.RunAsync(args[1..]);
    return 0;
}

return await BenchCommands.Root().Parse(args).InvokeAsync();
