using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.InProcess;
using Tokonomics.Web.Proxy;

var builder = WebApplication.CreateBuilder(args);
ProxyHost.Harden(builder);
builder.Services.AddStore(builder.Configuration, StoreSetup.DataFolder);
builder.Services.AddHostedService(s => s.GetRequiredService<Tokonomics.Infrastructure.Pricing.PriceVersions>());
builder.Services.AddKeyDirectory();
builder.Services.AddUsageRecorder(builder.Configuration);
builder.Services.AddProxy(builder.Configuration);

var app = builder.Build();
app.UseHealth();
app.UseProxy();
app.Run();
