using AiBackend.Api;
using AiBackend.ServiceDefaults.Hosting;

return await ProgramRun.RunAsync(() => ApiHost.Create(args));
