using Tokonomics.Workers;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddWorkers();
var app = builder.Build();
app.Run();
