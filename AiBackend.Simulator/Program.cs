using AiBackend.ServiceDefaults.Hosting;
using AiBackend.Simulator;

return await ProgramRun.RunAsync(() => SimulatorHost.Create(args));
