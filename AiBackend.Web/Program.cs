using AiBackend.ServiceDefaults.Hosting;
using AiBackend.Web.Shell;

return await ProgramRun.RunAsync(() => SiteHost.Create(args));
