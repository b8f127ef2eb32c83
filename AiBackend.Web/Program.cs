using AiBackend.ServiceDefaults;
using AiBackend.Web.Account;
using AiBackend.Web.Answers;
using AiBackend.Web.Api;
using AiBackend.Web.Costs;
using AiBackend.Web.Runs;
using AiBackend.Web.Shell;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults();
builder.AddApiClient();
builder.AddAccount();
builder.AddAnswers();
builder.AddRuns();
builder.AddShell();

var app = builder.Build();
app.UseShell();
app.MapDefaultEndpoints();
app.MapAccount();
app.MapCostsDownload();
app.MapFileDownload();
app.MapPages();

await app.RunAsync();
