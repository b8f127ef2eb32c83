using AiBackend.Api;

await ApiHost.Create(args).RunAsync();
