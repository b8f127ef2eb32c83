using AiBackend.Simulator;

await SimulatorHost.Create(args).RunAsync();
