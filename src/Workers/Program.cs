using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Workers;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddStore(builder.Configuration, StoreSetup.DataFolder);
builder.Services.AddNoKeyDirectory();
builder.Services.AddWorkers();

var app = builder.Build();
app.MapGet("/healthz", () => "ok");
app.Run();
